use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use oci::{ImageKind, Likeness};
use registry_model::{PinnedImage, Platform, ProcessorRef};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::FactoryError;
use crate::plan::{BaseImage, BuildPlan, InputKey, Why, item_name};

/// What was built and what was there already: every image confirmed by the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildReport {
    /// The version of this format.
    pub schema: u32,
    /// When the build was over.
    pub ended_at: Timestamp,
    /// One for each item of the plan, in its order.
    pub built: Vec<Built>,
}

/// The image for one pin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Built {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// Its registry file, relative to the root of the repository.
    pub file: PathBuf,
    /// The platform that the pin is for; none for `image.oci`, which serves all.
    pub pin_platform: Option<Platform>,
    /// The image.
    pub image: PinnedImage,
    /// What it follows from.
    pub key: InputKey,
    /// Whether it was built now.
    pub decision: Outcome,
    /// Why.
    pub why: Why,
    /// What it was built for.
    pub platforms: Vec<Platform>,
    /// The images that it was built from, as far as they are known.
    #[serde(default)]
    pub base_images: Vec<BaseImage>,
    /// The tags that were pushed now, besides that of the key.
    pub tags: Vec<String>,
    /// How long building and pushing took, in seconds; 0 if it was reused.
    pub seconds: f64,
    /// What is pinned now, if it is another image.
    pub replaces: Option<Replaced>,
    /// Whether its digest names an index or one platform's manifest; known if the pin is to change.
    #[serde(default)]
    pub kind: Option<ImageKind>,
    /// Bytes to pull for all platforms, compressed; known if the pin is to change.
    pub size: Option<u64>,
}

/// The image that an image takes the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Replaced {
    /// The image.
    pub image: PinnedImage,
    /// Bytes to pull for all platforms, compressed, if it is still there.
    pub size: Option<u64>,
}

/// How an image came to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Built and pushed now.
    Built,
    /// It was there.
    Reused,
    /// It was built now and is the same as what is pinned, but for this; the pin stays.
    Kept(Likeness),
}

impl Built {
    /// How people call it: the processor, and the platform if it has a pin for each.
    #[must_use]
    pub fn name(&self) -> String {
        item_name(&self.reference, self.pin_platform.as_ref())
    }
}

/// A value that stages hand on to each other as a JSON file.
trait Handed: Serialize + DeserializeOwned {
    const WHAT: &'static str;
}

/// The version that this program writes and reads.
const SCHEMA: u32 = 1;

/// What files of all versions have.
#[derive(Deserialize)]
struct Versioned {
    schema: u32,
}

impl Handed for BuildReport {
    const WHAT: &'static str = "build report";
}

impl Handed for BuildPlan {
    const WHAT: &'static str = "build plan";
}

impl BuildReport {
    /// Reads a report.
    ///
    /// # Errors
    /// When the file cannot be read or is no report.
    pub fn read(path: &Path) -> Result<Self, FactoryError> {
        read(path)
    }

    /// Writes the report, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FactoryError> {
        write(self, path)
    }
}

impl BuildPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// When the file cannot be read or is no plan.
    pub fn read(path: &Path) -> Result<Self, FactoryError> {
        read(path)
    }

    /// Writes the plan, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FactoryError> {
        write(self, path)
    }
}

fn read<T: Handed>(path: &Path) -> Result<T, FactoryError> {
    let bytes = fs::read(path).map_err(|source| FactoryError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    let bad = |source| FactoryError::BadJson {
        path: path.to_path_buf(),
        what: T::WHAT,
        source,
    };
    // Another version may have other fields; that is not what is wrong with it.
    let version: Versioned = serde_json::from_slice(&bytes).map_err(bad)?;
    if version.schema != SCHEMA {
        return Err(FactoryError::UnknownSchema {
            path: path.to_path_buf(),
            what: T::WHAT,
            found: version.schema,
        });
    }
    serde_json::from_slice(&bytes).map_err(bad)
}

fn write<T: Handed>(value: &T, path: &Path) -> Result<(), FactoryError> {
    let try_write = || -> std::io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    try_write().map_err(|source| FactoryError::Write {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_another_version_is_named_by_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("build.json");
        fs::write(&file, r#"{"schema": 2, "images": {}}"#).unwrap();
        for error in [
            BuildReport::read(&file).unwrap_err(),
            BuildPlan::read(&file).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.ends_with("it has schema 2, known is 1"), "{text}");
        }
        fs::write(&file, r#"{"built": []}"#).unwrap();
        let error = BuildReport::read(&file).unwrap_err();
        assert!(matches!(error, FactoryError::BadJson { .. }), "{error}");
        let whole = r#"{"schema": 1, "ended-at": "2026-03-01T12:00:00Z", "built": []}"#;
        fs::write(&file, whole).unwrap();
        assert_eq!(BuildReport::read(&file).unwrap().built, []);
    }
}
