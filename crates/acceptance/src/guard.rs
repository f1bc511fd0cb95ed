use std::fmt;
use std::path::PathBuf;

use registry_model::{Entry, PinPlace, PinState, PinnedImage, Platform, ProcessorRef};
use serde::{Deserialize, Serialize};

use crate::AcceptanceError;

/// A processor that has no image by digest yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PendingPin {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// Its registry file, relative to the root of the repository.
    pub file: PathBuf,
    /// What was asked for.
    pub platform: Platform,
    /// The placeholder in the place of the digest, if there is one.
    pub found: Option<String>,
    /// What it has images for instead: then it is not pending, but none for this platform will come.
    pub others: Vec<Platform>,
}

impl fmt::Display for PendingPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: ", self.reference, self.file.display())?;
        match &self.found {
            Some(found) => write!(f, "`{found}` for {}", self.platform)?,
            None => write!(f, "nothing for {}", self.platform)?,
        }
        let others: Vec<String> = self.others.iter().map(ToString::to_string).collect();
        match others.is_empty() {
            true => Ok(()),
            false => write!(f, ", only for {}", others.join(", ")),
        }
    }
}

/// The image of each enabled processor by digest, in the order of `entries`.
///
/// # Errors
/// [`AcceptanceError::Pending`] with every processor that has no digest for `platform`;
/// [`AcceptanceError::is_pending`] tells whether time alone may cure it.
pub fn guard(
    entries: &[Entry],
    platform: &Platform,
) -> Result<Vec<(ProcessorRef, PinnedImage)>, AcceptanceError> {
    let mut images = Vec::new();
    let mut pending = Vec::new();
    for entry in entries.iter().filter(|entry| entry.enabled) {
        let (found, others) = match entry.pin_for(platform).map(|pin| &pin.state) {
            Some(PinState::Pinned(image)) => {
                images.push((entry.reference.clone(), image.clone()));
                continue;
            }
            Some(PinState::Pending { found }) => (found.clone(), Vec::new()),
            None => (None, platforms(entry)),
        };
        pending.push(PendingPin {
            reference: entry.reference.clone(),
            file: entry.file.clone(),
            platform: platform.clone(),
            found,
            others,
        });
    }
    if pending.is_empty() {
        Ok(images)
    } else {
        Err(AcceptanceError::Pending { pending })
    }
}

/// Those that an entry has a place for an image of.
fn platforms(entry: &Entry) -> Vec<Platform> {
    let pins = entry.pins.iter();
    let platforms = pins.filter_map(|pin| match &pin.place {
        PinPlace::Platform(platform) => Some(platform.clone()),
        PinPlace::Oci => None,
    });
    platforms.collect()
}

#[cfg(test)]
mod tests {
    use registry_model::{LoadOptions, Registry};

    use super::*;

    /// The registry of these files, each `name` with everything behind `image:`.
    fn registry(files: &[(&str, &str)]) -> Registry {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("code/apps/core/registry/processors");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, image) in files {
            let text = format!(
                "ref: text/{name}@1\nimage: {image}\n\
                 build: {{context: ., dockerfile: Dockerfile}}\n"
            );
            std::fs::write(root.path().join("code/Dockerfile"), "FROM scratch\n").unwrap();
            std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
        }
        Registry::load(root.path(), &LoadOptions::default()).unwrap()
    }

    fn image(name: &str) -> String {
        format!("ghcr.io/acme/{name}@sha256:{}", "a".repeat(64))
    }

    #[test]
    fn every_pin_is_handed_on_in_order() {
        let (one, two) = (image("one"), image("two"));
        let registry = registry(&[
            ("one", &format!("{{oci: '{one}'}}")),
            ("two", &format!("{{platforms: {{amd64: '{two}'}}}}")),
        ]);
        let images = guard(&registry.entries, &Platform::linux_amd64()).unwrap();
        let names: Vec<String> = images
            .iter()
            .map(|(reference, image)| format!("{reference} {image}"))
            .collect();
        assert_eq!(
            names,
            [format!("text/one@1 {one}"), format!("text/two@1 {two}")]
        );
    }

    #[test]
    fn every_processor_without_a_digest_is_named() {
        let registry = registry(&[
            ("absent", "{}"),
            (
                "arm",
                &format!("{{platforms: {{arm64: '{}'}}}}", image("arm")),
            ),
            ("good", &format!("{{oci: '{}'}}", image("good"))),
            ("pending", "{oci: 'sha256:pending'}"),
            ("replace", "{platforms: {amd64: 'sha256:REPLACE_AMD64'}}"),
        ]);
        let error = guard(&registry.entries, &Platform::linux_amd64()).unwrap_err();
        let text = error
            .to_string()
            .replace("code/apps/core/registry/processors/", "…/");
        insta::assert_snapshot!(text, @"
        prove images that are not pinned yet:
          text/absent@1 in …/absent.yaml: nothing for linux/amd64
          text/arm@1 in …/arm.yaml: nothing for linux/amd64, only for linux/arm64
          text/pending@1 in …/pending.yaml: `sha256:pending` for linux/amd64
          text/replace@1 in …/replace.yaml: `sha256:REPLACE_AMD64` for linux/amd64
        ");
        insta::assert_snapshot!(error.hint().unwrap(), @"merge the open pin pull request, or run build-and-pin for these processors");
        assert!(!error.is_pending());
        let AcceptanceError::Pending { pending } = error else {
            unreachable!()
        };
        insta::assert_json_snapshot!(pending[0], @r#"
        {
          "ref": "text/absent@1",
          "file": "code/apps/core/registry/processors/absent.yaml",
          "platform": "linux/amd64",
          "found": null,
          "others": []
        }
        "#);
    }

    #[test]
    fn what_will_be_pinned_is_told_from_what_never_will() {
        let pending = registry(&[
            ("absent", "{}"),
            ("good", &format!("{{oci: '{}'}}", image("good"))),
            ("pending", "{oci: 'sha256:pending'}"),
        ]);
        let error = guard(&pending.entries, &Platform::linux_amd64()).unwrap_err();
        assert!(error.is_pending(), "{error}");
        let arm = format!("{{platforms: {{arm64: '{}'}}}}", image("arm"));
        let other = registry(&[("arm", &arm)]);
        let error = guard(&other.entries, &Platform::linux_amd64()).unwrap_err();
        assert!(!error.is_pending(), "{error}");
    }

    #[test]
    fn disabled_processors_do_not_count() {
        let mut registry = registry(&[("pending", "{oci: 'sha256:pending'}")]);
        registry.entries[0].enabled = false;
        assert_eq!(
            guard(&registry.entries, &Platform::linux_amd64()).unwrap(),
            []
        );
    }
}
