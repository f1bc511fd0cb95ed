use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use registry_model::Platform;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::changes::InputChange;
use super::evidence::Evidence;
use super::folded::{alike, depth, folded};
use super::key;
use super::model::{BuildPlan, ImageSettings, InputKey, Planned};
use super::tree::Picked;

/// What an inputs record is, among the artifacts beside an image.
pub const ARTIFACT_TYPE: &str = "application/vnd.pipeline.inputs.v1+json";

/// The media type of its content.
pub const MEDIA_TYPE: &str = "application/vnd.pipeline.inputs.v1+json+gzip";

/// The annotation of a record that says when the image was built: also of a build that came to an
/// image that was there before, whose config may say anything (OCI image specification,
/// annotations.md).
pub(crate) const CREATED: &str = "org.opencontainers.image.created";

/// The version of the format.
const SCHEMA: u32 = 1;

/// A record may have this many bytes compressed, which is what a registry is asked to keep beside an
/// image; 100,000 files take 4 MB.
pub(crate) const LONGEST_PACKED: usize = 8 * 1024 * 1024;

/// A record may have this many bytes, plain.
const LONGEST: u64 = 64 * 1024 * 1024;

/// What an image was made from, kept beside it in the registry, so that a later plan can say what
/// changed. Whoever can pull the image can read it: values of build arguments are not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InputsRecord {
    /// The version of this format.
    pub schema: u32,
    /// The key that all this makes.
    pub key: InputKey,
    /// The Dockerfile, relative to the root of the repository.
    pub dockerfile: PathBuf,
    /// The SHA-256 of its bytes.
    pub dockerfile_sha256: String,
    /// The build context, relative to the root of the repository.
    pub context: PathBuf,
    /// The hash of what the Dockerfile sees of the context.
    #[serde(default)]
    pub context_sha256: String,
    /// What the Dockerfile sees of the context: path in the context → mode and id, as git has them.
    /// The path of a folder stands for all that is in it: so it is in what [`Self::to_bytes`] makes
    /// of very many files.
    pub files: BTreeMap<String, String>,
    /// The build arguments: name → hash of name and value.
    pub args: BTreeMap<String, String>,
    /// The stage that was built, if not the last.
    pub target: Option<String>,
    /// What it was built for.
    pub platforms: Vec<Platform>,
    /// The base images: name → what was taken.
    pub bases: BTreeMap<String, String>,
    /// The options of the builder that change bytes, if they were set: name → hash.
    pub settings: BTreeMap<String, String>,
}

/// A text that is no inputs record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is too long.
    #[error("read an inputs record: it is longer than any real one")]
    TooLong,
    /// It cannot be unpacked.
    #[error("unpack an inputs record")]
    Packing(#[source] std::io::Error),
    /// It is not as it should be.
    #[error("read an inputs record")]
    Malformed(#[source] serde_json::Error),
    /// It is of a version that this program does not know.
    #[error("read an inputs record: it has schema {found}, known is 1")]
    UnknownSchema {
        /// The version it has.
        found: u32,
    },
}

#[derive(Deserialize)]
struct Versioned {
    schema: u32,
}

/// A value that must not be told: equal hashes of equal values, and no list of hashes of common
/// values fits all names.
fn hidden(name: &str, value: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{}:{name}", name.len()));
    hash.update(value);
    hex::encode(hash.finalize())
}

impl InputsRecord {
    /// The bytes to keep: the same for the same record.
    ///
    /// # Errors
    /// When it is too long without any file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        self.pack(LONGEST_PACKED)
    }

    /// Folders take the place of the files that are in them, the deepest first, until it fits.
    fn pack(&self, longest: usize) -> Result<Vec<u8>, RecordError> {
        let mut record = Cow::Borrowed(self);
        loop {
            let json = serde_json::to_vec(&record).map_err(RecordError::Malformed)?;
            let mut packed = GzEncoder::new(Vec::new(), Compression::default());
            packed.write_all(&json).map_err(RecordError::Packing)?;
            let packed = packed.finish().map_err(RecordError::Packing)?;
            if packed.len() <= longest && json.len() as u64 <= LONGEST {
                return Ok(packed);
            }
            let deepest = depth(&record.files);
            if deepest == 0 {
                return Err(RecordError::TooLong);
            }
            let wanted = record.files.len() / 2;
            let mut files = std::mem::take(&mut record.to_mut().files);
            for depth in (0..deepest).rev() {
                files = folded(files, depth);
                if files.len() <= wanted {
                    break;
                }
            }
            record.to_mut().files = files;
        }
    }

    /// Whether the files of both are known to be the same.
    pub(crate) fn has_files_of(&self, other: &Self) -> bool {
        !self.context_sha256.is_empty() && self.context_sha256 == other.context_sha256
    }

    /// Reads what [`Self::to_bytes`] made, or somebody else.
    ///
    /// # Errors
    /// When it is too long, or no record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > LONGEST_PACKED {
            return Err(RecordError::TooLong);
        }
        let mut json = Vec::new();
        GzDecoder::new(bytes)
            .take(LONGEST + 1)
            .read_to_end(&mut json)
            .map_err(RecordError::Packing)?;
        if json.len() as u64 > LONGEST {
            return Err(RecordError::TooLong);
        }
        let version: Versioned = serde_json::from_slice(&json).map_err(RecordError::Malformed)?;
        if version.schema != SCHEMA {
            let found = version.schema;
            return Err(RecordError::UnknownSchema { found });
        }
        serde_json::from_slice(&json).map_err(RecordError::Malformed)
    }

    /// How `new` differs, the most telling first: what people edit, then what they set, then what
    /// moved by itself.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Vec<InputChange> {
        let mut changes = Vec::new();
        if self.dockerfile_sha256 != new.dockerfile_sha256 || self.dockerfile != new.dockerfile {
            changes.push(InputChange::Modified(new.dockerfile.clone()));
        }
        let dockerfile = changes.first().cloned();
        let (old_files, new_files) = match self.has_files_of(new) {
            true => (Cow::default(), Cow::default()),
            false => alike(&self.files, &new.files),
        };
        for (path, from, to) in differences(&old_files, &new_files) {
            let in_new = new.context.join(path);
            let change = match (from, to) {
                (_, None) => InputChange::Removed(self.context.join(path)),
                (None, _) => InputChange::Added(in_new),
                _ => InputChange::Modified(in_new),
            };
            // The Dockerfile may lie in what it copies.
            if dockerfile.as_ref() != Some(&change) {
                changes.push(change);
            }
        }
        for (name, from, to) in differences(&self.bases, &new.bases) {
            changes.push(InputChange::Base {
                name: name.to_owned(),
                from: from.map(str::to_owned),
                to: to.map(str::to_owned),
            });
        }
        for (name, _, _) in differences(&self.args, &new.args) {
            changes.push(InputChange::Argument(name.to_owned()));
        }
        if self.target != new.target {
            changes.push(InputChange::Target);
        }
        let sorted = |record: &Self| {
            let mut names: Vec<String> = record.platforms.iter().map(Platform::to_string).collect();
            names.sort();
            names
        };
        if sorted(self) != sorted(new) {
            changes.push(InputChange::Platforms);
        }
        for (name, _, _) in differences(&self.settings, &new.settings) {
            changes.push(InputChange::Setting(name.to_owned()));
        }
        changes
    }
}

/// What is not the same in both, by name.
fn differences<'a>(
    old: &'a BTreeMap<String, String>,
    new: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a str, Option<&'a str>, Option<&'a str>)> {
    let gone_or_other = old
        .iter()
        .map(|(name, from)| (name, Some(from), new.get(name)));
    let added = new
        .iter()
        .filter(|(name, _)| !old.contains_key(*name))
        .map(|(name, to)| (name, None, Some(to)));
    gone_or_other
        .chain(added)
        .filter(|(_, from, to)| from != to)
        .map(|(name, from, to)| {
            (
                name.as_str(),
                from.map(String::as_str),
                to.map(String::as_str),
            )
        })
}

impl BuildPlan {
    /// What the image of an item follows from. `None` if the plan was read from a file: then the
    /// files were seen by another process.
    #[must_use]
    pub fn record(&self, item: &Planned) -> Option<InputsRecord> {
        record(&self.evidence, item, &self.settings)
    }
}

pub(crate) fn record(
    evidence: &Evidence,
    item: &Planned,
    settings: &ImageSettings,
) -> Option<InputsRecord> {
    let (made, tree) = evidence.of(&item.key)?;
    let mut outline = outline(evidence, item, settings)?;
    let mut files = BTreeMap::new();
    let mut add = |path: &Path, mode: &str, id: &dyn std::fmt::Display| {
        files.insert(path.to_string_lossy().into_owned(), format!("{mode} {id}"));
    };
    for path in &made.sees {
        match tree.at(path) {
            Some(Picked::File(mode, id)) => add(Path::new(path), mode.text(), &id),
            Some(Picked::Folder(folder)) => folder.files(&mut |file, mode, id| {
                // Two processors with one key may have their contexts in two places.
                let inside = file.strip_prefix(tree.path()).unwrap_or(&file);
                add(inside, mode.text(), &id);
            }),
            None => {}
        }
    }
    outline.files = files;
    Some(outline)
}

/// The same without the files.
pub(crate) fn outline(
    evidence: &Evidence,
    item: &Planned,
    settings: &ImageSettings,
) -> Option<InputsRecord> {
    let (made, _) = evidence.of(&item.key)?;
    let hide = |(name, value): (&String, &String)| (name.clone(), hidden(name, value));
    Some(InputsRecord {
        schema: SCHEMA,
        key: item.key.clone(),
        dockerfile: item.dockerfile.clone(),
        dockerfile_sha256: hex::encode(made.dockerfile),
        context: item.context.clone(),
        context_sha256: hex::encode(made.context),
        files: BTreeMap::new(),
        args: item
            .args
            .iter()
            .map(|(name, value)| hide((name, value)))
            .collect(),
        target: item.target.clone(),
        platforms: item.platforms.clone(),
        bases: item
            .base_images
            .iter()
            .map(|base| (base.name.clone(), base.exact()))
            .collect(),
        settings: key::settings(settings).iter().map(hide).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn example() -> InputsRecord {
        InputsRecord {
            schema: 1,
            key: InputKey::new([7; 32]),
            dockerfile: "code/a/Dockerfile".into(),
            dockerfile_sha256: "00".into(),
            context: "code".into(),
            context_sha256: String::new(),
            files: texts(&[
                ("a/Dockerfile", "100644 1"),
                ("a/x.py", "100644 2"),
                ("b", "100644 3"),
            ]),
            args: texts(&[("A", "1"), ("B", "2")]),
            target: None,
            platforms: vec![Platform::linux_amd64(), "linux/arm64".parse().unwrap()],
            bases: texts(&[("python:3", "docker.io/library/python@sha256:1")]),
            settings: BTreeMap::new(),
        }
    }

    #[test]
    fn comes_back_as_it_was_and_is_always_the_same_bytes() {
        let record = example();
        let bytes = record.to_bytes().unwrap();
        assert_eq!(InputsRecord::from_bytes(&bytes).unwrap(), record);
        assert_eq!(record.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn names_each_difference_and_nothing_else() {
        let old = example();
        let mut same = example();
        same.platforms.reverse();
        assert_eq!(old.diff(&same), []);
        let mut new = example();
        new.dockerfile_sha256 = "01".into();
        new.files = texts(&[
            ("a/Dockerfile", "100644 9"),
            ("a/x.py", "100755 2"),
            ("c", "100644 3"),
        ]);
        new.args = texts(&[("A", "1"), ("B", "3"), ("C", "")]);
        new.target = Some("prod".into());
        new.platforms.pop();
        new.bases = texts(&[("python:3", "docker.io/library/python@sha256:2")]);
        new.settings = texts(&[("sbom", "x")]);
        let told: Vec<String> = old.diff(&new).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        `code/a/Dockerfile` changed
        `code/a/x.py` changed
        `code/b` is gone
        `code/c` is new
        base `python:3` is another
        build argument `B` changed
        build argument `C` changed
        target changed
        platforms changed
        setting `sbom` changed
        ");
    }

    #[test]
    fn very_many_files_are_kept_by_folder_and_still_compared() {
        let mut old = example();
        old.files = (0..2000_u32)
            .map(|number| {
                let path = format!("{}/{}/{number}.py", number % 3, number % 40);
                (path, format!("100644 {}", hidden("", &number.to_string())))
            })
            .chain([("top".to_owned(), "100644 1".to_owned())])
            .collect();
        let whole = old.pack(LONGEST_PACKED).unwrap();
        assert_eq!(InputsRecord::from_bytes(&whole).unwrap(), old);
        let mut new = old.clone();
        new.files.insert("1/1/1.py".into(), "100755 1".into());
        for (longest, entries, told) in [
            (whole.len() / 2, 121, "`code/1/1` changed"),
            (1000, 4, "`code/1` changed"),
        ] {
            let packed = old.pack(longest).unwrap();
            assert!(packed.len() <= longest);
            let kept = InputsRecord::from_bytes(&packed).unwrap();
            assert_eq!(kept.files.len(), entries);
            assert_eq!(kept.diff(&old), []);
            assert_eq!(old.diff(&kept), []);
            assert_eq!(kept.diff(&new)[0].to_string(), told);
            let new = InputsRecord::from_bytes(&new.pack(1000).unwrap()).unwrap();
            assert_eq!(kept.diff(&new)[0].to_string(), "`code/1` changed");
        }
        let shorter = old.pack(1000).unwrap().len() - 1;
        let all = InputsRecord::from_bytes(&old.pack(shorter).unwrap()).unwrap();
        assert_eq!(all.files.keys().collect::<Vec<_>>(), [""]);
        assert_eq!(all.diff(&new).len(), 1);
        assert!(matches!(old.pack(100), Err(RecordError::TooLong)));
    }

    #[test]
    fn hostile_records_are_refused() {
        let pack = |bytes: &[u8]| {
            let mut packed = GzEncoder::new(Vec::new(), Compression::best());
            packed.write_all(bytes).unwrap();
            packed.finish().unwrap()
        };
        let bomb = pack(&vec![b' '; usize::try_from(LONGEST).unwrap() + 1]);
        assert!(bomb.len() < 100_000);
        let read = InputsRecord::from_bytes;
        assert!(matches!(read(&bomb), Err(RecordError::TooLong)));
        assert!(matches!(read(b"no gzip"), Err(RecordError::Packing(_))));
        assert!(matches!(read(&pack(b"{}")), Err(RecordError::Malformed(_))));
        let later = pack(br#"{"schema": 2}"#);
        assert!(matches!(
            read(&later),
            Err(RecordError::UnknownSchema { found: 2 })
        ));
        let deep = pack(&[b'['; 100_000]);
        assert!(matches!(read(&deep), Err(RecordError::Malformed(_))));
        let bytes = example().to_bytes().unwrap();
        assert!(read(&bytes[..bytes.len() / 2]).is_err());
    }

    #[test]
    fn values_are_hidden_each_in_its_own_way() {
        let one = hidden("TOKEN", "secret");
        assert_eq!(one, hidden("TOKEN", "secret"));
        assert_ne!(one, hidden("OTHER", "secret"));
        assert_ne!(hidden("A", "BC"), hidden("AB", "C"));
        assert!(!one.contains("secret"));
    }
}
