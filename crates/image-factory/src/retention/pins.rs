use registry_model::{PinnedImage, ProcessorRef};
use serde::Deserialize as _;
use serde_yaml::{Deserializer, Value};

use super::model::PinnedAt;

/// What a registry file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pins {
    /// The processors that it describes.
    pub(super) processors: Vec<ProcessorRef>,
    /// What it pins.
    pub(super) pins: Vec<PinnedAt>,
}

/// The pins in the text of a registry file. Old versions of a file need not be what is accepted
/// today: only what names the processor and its images counts here.
///
/// # Errors
/// When it cannot be known what is pinned: a pin that is overlooked may be deleted.
pub(super) fn pins_of(text: &[u8]) -> Result<Pins, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is no text".to_owned())?;
    let mut all = Pins::default();
    for document in Deserializer::from_str(text) {
        let mut document = Value::deserialize(document).map_err(|error| error.to_string())?;
        document.apply_merge().map_err(|error| error.to_string())?;
        let Some(reference) = document.get("ref").and_then(Value::as_str) else {
            continue;
        };
        let reference: ProcessorRef = reference
            .parse()
            .map_err(|error: registry_model::NameError| error.to_string())?;
        all.processors.push(reference.clone());
        let Some(image) = document.get("image") else {
            continue;
        };
        let oci = image
            .get("oci")
            .map(|value| ("image.oci".to_owned(), value));
        let platforms = image.get("platforms").and_then(Value::as_mapping);
        let platforms = platforms.into_iter().flatten().map(|(key, value)| {
            let key = key.as_str().unwrap_or_default();
            (format!("image.platforms.{key}"), value)
        });
        for (place, value) in oci.into_iter().chain(platforms) {
            // Placeholders and references by tag pin nothing.
            let Some(text) = value.as_str().filter(|text| names_a_digest(text)) else {
                continue;
            };
            let image: PinnedImage = text.parse().map_err(|error| format!("{place}: {error}"))?;
            all.pins.push(PinnedAt {
                reference: reference.clone(),
                place,
                image,
            });
        }
    }
    Ok(all)
}

fn names_a_digest(text: &str) -> bool {
    let digest = text.split_once('@').map(|(_, digest)| digest);
    let hex = digest.and_then(|digest| digest.strip_prefix("sha256:"));
    hex.is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(digit: char) -> String {
        format!("ghcr.io/a/b@sha256:{}", digit.to_string().repeat(64))
    }

    fn seen(text: &str) -> Result<Vec<String>, String> {
        let pins = pins_of(text.as_bytes())?.pins;
        let line = |pin: &PinnedAt| format!("{} {} {}", pin.reference, pin.place, pin.image);
        Ok(pins.iter().map(line).collect())
    }

    #[test]
    fn both_layouts_are_read() {
        let text = format!(
            "ref: x/one@1\nimage: {{oci: '{}'}}\nunknown: [1]\n",
            image('1')
        );
        assert_eq!(
            seen(&text).unwrap(),
            [format!("x/one@1 image.oci {}", image('1'))]
        );
        let text = format!(
            "ref: x/two@1\nimage:\n  platforms:\n    amd64: {}\n    arm64: sha256:REPLACE_ARM64\n",
            image('2')
        );
        let expected = format!("x/two@1 image.platforms.amd64 {}", image('2'));
        assert_eq!(seen(&text).unwrap(), [expected]);
    }

    #[test]
    fn what_pins_nothing_is_nothing() {
        for text in [
            "",
            "# nothing\n",
            "other: file\n",
            "ref: x/one@1\n",
            "ref: x/one@1\nimage: {oci: 'sha256:pending'}\n",
            "ref: x/one@1\nimage: {oci: 'ghcr.io/a/b@sha256:pending'}\n",
            "ref: x/one@1\nimage: {oci: 'ghcr.io/a/b:latest'}\n",
        ] {
            assert_eq!(seen(text).unwrap(), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_processor_counts_though_nothing_is_pinned() {
        let seen = pins_of(b"ref: x/one@1\nimage: {oci: 'sha256:pending'}\n---\nref: x/two@1\n");
        let seen: Vec<_> = seen.unwrap().processors;
        let seen: Vec<_> = seen.iter().map(ToString::to_string).collect();
        assert_eq!(seen, ["x/one@1", "x/two@1"]);
    }

    #[test]
    fn what_cannot_be_understood_is_no_empty_answer() {
        for text in [
            "ref: [".to_owned(),
            "ref: nonsense\nimage: {}\n".to_owned(),
            "ref: x/one@1\nimage: {oci: 'ghcr.io/A/b@sha256:0123'}\n".to_owned(),
        ] {
            assert!(seen(&text).is_err(), "{text}");
        }
    }
}
