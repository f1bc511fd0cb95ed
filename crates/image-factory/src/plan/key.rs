use std::collections::BTreeMap;

use registry_model::Platform;
use sha2::{Digest as _, Sha256};

use super::model::{BaseImage, ImageSettings, InputKey, Provenance, Sbom};

/// Changed whenever the meaning of a key changes, so that an old key is never taken for a new one.
const DOMAIN: &str = "pipeline-inputs-v2";

/// Everything that the bytes of an image follow from.
#[derive(Clone, Debug)]
pub(crate) struct KeyInputs<'a> {
    /// The SHA-256 of the Dockerfile.
    pub(crate) dockerfile: [u8; 32],
    /// The hash of what the Dockerfile sees of its context.
    pub(crate) context: [u8; 32],
    pub(crate) target: Option<&'a str>,
    pub(crate) args: &'a [(String, String)],
    pub(crate) platforms: &'a [Platform],
    pub(crate) base_images: &'a [BaseImage],
    pub(crate) settings: &'a ImageSettings,
}

pub(crate) fn input_key(inputs: &KeyInputs<'_>) -> InputKey {
    let mut hash = FieldHash::default();
    hash.field(DOMAIN.as_bytes());
    hash.field(&inputs.dockerfile);
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
    let settings = settings(inputs.settings);
    hash.list(
        settings
            .iter()
            .map(|(name, value)| vec![name.as_bytes(), value.as_bytes()]),
    );
    // Which files count follows from what base images add. So the key tells an image of which that
    // is nothing from one of which it is something, or unknown: where a key is found that was made
    // for nothing, it is nothing.
    let added: Vec<(&str, String)> = bases.iter().filter_map(|base| base.added()).collect();
    let ids = bases
        .iter()
        .filter_map(|base| Some((base.name.as_str(), format!("engine\n{}", base.id.as_ref()?))));
    // What one list says the other never does, so that it is not missed where there is none.
    for more in [added, ids.collect()] {
        if !more.is_empty() {
            hash.list(
                more.iter()
                    .map(|(name, text)| vec![name.as_bytes(), text.as_bytes()]),
            );
        }
    }
    InputKey::new(hash.finish())
}

impl BaseImage {
    /// Its name and what it adds to Dockerfiles, unless that is nothing.
    fn added(&self) -> Option<(&str, String)> {
        match &self.on_build {
            Some(lines) if lines.is_empty() => None,
            Some(lines) => Some((&self.name, format!("known\n{}", lines.join("\n")))),
            None => Some((&self.name, "unknown".to_owned())),
        }
    }
}

/// The settings that differ from the defaults, by name. A setting that is added later changes no
/// key as long as nobody sets it.
pub(crate) fn settings(settings: &ImageSettings) -> BTreeMap<String, String> {
    let ImageSettings {
        labels,
        annotations,
        provenance,
        sbom,
        source_date_epoch,
    } = settings;
    let labels = labels
        .iter()
        .map(|(name, value)| (format!("label {name}"), value.clone()));
    let annotations = annotations
        .iter()
        .map(|(name, value)| (format!("annotation {name}"), value.clone()));
    let provenance = provenance.map(|level| match level {
        Provenance::Min => "min".to_owned(),
        Provenance::Max => "max".to_owned(),
    });
    let sbom = match sbom {
        Sbom::No => None,
        Sbom::Standard => Some("true".to_owned()),
        Sbom::By(name) => Some(name.clone()),
    };
    let others = [
        ("provenance", provenance),
        ("sbom", sbom),
        (
            "source-date-epoch",
            source_date_epoch.map(|seconds| seconds.to_string()),
        ),
    ];
    let others = others
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    labels.chain(annotations).chain(others).collect()
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
            id: None,
            on_build: None,
            shadowed: false,
            makes_sbom: false,
        }];
        let id = |hex: &str| {
            let mut base = bases[0].clone();
            base.id = format!("sha256:{}", hex.repeat(64)).parse().ok();
            [base]
        };
        let (one, two) = (id("1"), id("2"));
        let labelled = ImageSettings {
            labels: [pair("a", "b")].into(),
            ..ImageSettings::default()
        };
        let with_sbom = ImageSettings {
            sbom: Sbom::Standard,
            ..ImageSettings::default()
        };
        let with_generator = ImageSettings {
            sbom: Sbom::By("python:3.11-slim".into()),
            ..ImageSettings::default()
        };
        let base = KeyInputs {
            dockerfile: [1; 32],
            context: [7; 32],
            target: None,
            args: &args,
            platforms: &amd64,
            base_images: &[],
            settings: &ImageSettings::default(),
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
                dockerfile: [2; 32],
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
            KeyInputs {
                base_images: &one,
                ..base.clone()
            },
            KeyInputs {
                base_images: &two,
                ..base.clone()
            },
            KeyInputs {
                settings: &labelled,
                ..base.clone()
            },
            KeyInputs {
                settings: &with_sbom,
                ..base.clone()
            },
            KeyInputs {
                settings: &with_generator,
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
            dockerfile: [0; 32],
            context: [0; 32],
            target: None,
            args: &[],
            platforms: &[Platform::linux_amd64()],
            base_images: &[],
            settings: &ImageSettings::default(),
        });
        insta::assert_snapshot!(key, @"e32e7bae8de2e7556dbfef71febb30d70ff51666be1e2fed03755fa6f3c59946");
        insta::assert_snapshot!(key.tag(), @"inputs-e32e7bae8de2e7556dbfef71febb30d7");
    }
}
