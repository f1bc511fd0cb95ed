use registry_model::Platform;
use sha2::{Digest as _, Sha256};

use super::model::{BaseImage, InputKey};

/// Changed whenever the meaning of a key changes, so that an old key is never taken for a new one.
const DOMAIN: &str = "pipeline-inputs-v1";

/// Everything that the bytes of an image follow from.
#[derive(Clone, Debug)]
pub(crate) struct KeyInputs<'a> {
    pub(crate) dockerfile: &'a [u8],
    /// The hash of the context as the engine sees it.
    pub(crate) context: [u8; 32],
    pub(crate) target: Option<&'a str>,
    pub(crate) args: &'a [(String, String)],
    pub(crate) platforms: &'a [Platform],
    pub(crate) base_images: &'a [BaseImage],
}

pub(crate) fn input_key(inputs: &KeyInputs<'_>) -> InputKey {
    let mut hash = FieldHash::default();
    hash.field(DOMAIN.as_bytes());
    hash.field(inputs.dockerfile);
    hash.field(&inputs.context);
    // Absent and empty are two things.
    hash.list(inputs.target.iter().map(|target| vec![target.as_bytes()]));
    // The engine takes arguments by name: their order changes nothing.
    let mut args: Vec<_> = inputs.args.iter().collect();
    args.sort();
    hash.list(
        args.iter()
            .map(|(name, value)| vec![name.as_bytes(), value.as_bytes()]),
    );
    let mut platforms: Vec<String> = inputs.platforms.iter().map(ToString::to_string).collect();
    platforms.sort();
    hash.list(platforms.iter().map(|platform| vec![platform.as_bytes()]));
    let mut bases: Vec<_> = inputs.base_images.iter().collect();
    bases.sort();
    hash.list(
        bases
            .iter()
            .map(|base| vec![base.name.as_bytes(), base.reference.as_bytes()]),
    );
    InputKey::new(hash.finish())
}

/// A hash over fields in which no two lists of fields look alike: each carries its length.
#[derive(Default)]
pub(crate) struct FieldHash(Sha256);

impl FieldHash {
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn list<'a>(&mut self, items: impl ExactSizeIterator<Item = Vec<&'a [u8]>>) {
        self.0.update((items.len() as u64).to_be_bytes());
        for item in items {
            item.iter().for_each(|field| self.field(field));
        }
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn changes_with_each_input_and_with_nothing_else() {
        let amd64 = [Platform::linux_amd64()];
        let both = [Platform::linux_amd64(), "linux/arm64".parse().unwrap()];
        let reversed = [both[1].clone(), both[0].clone()];
        let args = [pair("A", "1"), pair("B", "2")];
        let swapped = [pair("B", "2"), pair("A", "1")];
        let other = [pair("A", "1"), pair("B", "3")];
        let bases = [BaseImage {
            name: "python:3.11-slim".into(),
            reference: "local:base".into(),
        }];
        let base = KeyInputs {
            dockerfile: b"FROM scratch\n",
            context: [7; 32],
            target: None,
            args: &args,
            platforms: &amd64,
            base_images: &[],
        };
        let key = input_key(&base);
        let same = [
            base.clone(),
            KeyInputs {
                args: &swapped,
                ..base.clone()
            },
        ];
        let different = [
            KeyInputs {
                dockerfile: b"FROM scratch",
                ..base.clone()
            },
            KeyInputs {
                context: [8; 32],
                ..base.clone()
            },
            KeyInputs {
                target: Some(""),
                ..base.clone()
            },
            KeyInputs {
                target: Some("prod"),
                ..base.clone()
            },
            KeyInputs {
                args: &other,
                ..base.clone()
            },
            KeyInputs {
                args: &args[..1],
                ..base.clone()
            },
            KeyInputs {
                platforms: &both,
                ..base.clone()
            },
            KeyInputs {
                base_images: &bases,
                ..base.clone()
            },
        ];
        for inputs in &same {
            assert_eq!(input_key(inputs), key, "{inputs:?}");
        }
        let mut keys: Vec<_> = different.iter().map(input_key).collect();
        keys.push(key);
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), different.len() + 1);
        let ordered = KeyInputs {
            platforms: &both,
            ..base.clone()
        };
        let turned = KeyInputs {
            platforms: &reversed,
            ..base
        };
        assert_eq!(input_key(&ordered), input_key(&turned));
    }

    /// A key that changes between versions rebuilds every image of every user: only on purpose,
    /// together with `DOMAIN`.
    #[test]
    fn is_stable() {
        let key = input_key(&KeyInputs {
            dockerfile: b"FROM scratch\n",
            context: [0; 32],
            target: None,
            args: &[],
            platforms: &[Platform::linux_amd64()],
            base_images: &[],
        });
        insta::assert_snapshot!(key, @"3ce37f918e961dcb53d930ef30009c627246a22121a79b2f6692b9354aea8f50");
        insta::assert_snapshot!(key.tag(), @"inputs-3ce37f918e961dcb53d930ef30009c62");
    }
}
