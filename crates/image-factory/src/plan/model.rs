use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::changes::InputChange;
use super::dockerfile::{Asked, asked};
use super::evidence::Evidence;
use registry_model::{Digest, PinnedImage, Platform, ProcessorRef, Repository};
use serde::{Deserialize, Serialize};

/// What is to be built, what is there already, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildPlan {
    /// The version of this format.
    pub schema: u32,
    /// One item for each pin, in the order of the registry files.
    pub items: Vec<Planned>,
    /// What the builder adds to every image.
    #[serde(default)]
    pub settings: ImageSettings,
    /// What the keys were made from; known to the plan that was made here, not to one that was read.
    #[serde(skip)]
    pub(crate) evidence: Evidence,
}

/// What the builder adds to every image, beyond the Dockerfile: all of it changes the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ImageSettings {
    /// Labels of the config.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// How much is told of how the image was made; default nothing.
    pub provenance: Option<Provenance>,
    /// Whether a list of what is in the image goes with it.
    pub sbom: Sbom,
    /// All times in the image become this, in seconds since 1970: two builds give one digest.
    pub source_date_epoch: Option<i64>,
}

impl ImageSettings {
    /// Whether anything is attached to the image.
    pub(crate) fn is_attested(&self) -> bool {
        self.provenance.is_some() || self.sbom != Sbom::No
    }
}

/// Whether a list of what is in an image goes with it, and what makes that list.
///
/// `true`, `false`, or the image that makes it. Source: docs.docker.com/build/metadata/attestations/sbom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SbomText", into = "SbomText")]
pub enum Sbom {
    /// There is none.
    #[default]
    No,
    /// The image that BuildKit takes by itself makes it. That is a tag, which moves.
    Standard,
    /// This image makes it; what it is counts for the key.
    By(String),
}

/// How people write it.
#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected `true`, `false` or the image that makes the SBOM"
)]
enum SbomText {
    Switch(bool),
    Image(String),
}

impl TryFrom<SbomText> for Sbom {
    type Error = String;

    fn try_from(text: SbomText) -> Result<Self, String> {
        match text {
            SbomText::Switch(false) => Ok(Self::No),
            SbomText::Switch(true) => Ok(Self::Standard),
            SbomText::Image(name) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "./:@_-".contains(c);
                match asked(&name) {
                    Asked::Exact(_) | Asked::Tagged { .. } if name.chars().all(plain) => {
                        Ok(Self::By(name))
                    }
                    _ => Err(format!("`{}` names no image", name.escape_debug())),
                }
            }
        }
    }
}

impl From<Sbom> for SbomText {
    fn from(sbom: Sbom) -> Self {
        match sbom {
            Sbom::No => Self::Switch(false),
            Sbom::Standard => Self::Switch(true),
            Sbom::By(name) => Self::Image(name),
        }
    }
}

/// How much a provenance attestation tells (docs.docker.com/build/metadata/attestations).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// The bare facts.
    Min,
    /// Also the build arguments and the Dockerfile.
    Max,
}

/// The plan for one pin of one processor. Paths are relative to the root of the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// Its registry file.
    pub file: PathBuf,
    /// The platform that the pin is for; none for `image.oci`, which serves all.
    pub pin_platform: Option<Platform>,
    /// What is pinned there; none while it is pending.
    pub pinned: Option<PinnedImage>,
    /// Where the image is pushed to.
    pub repository: Repository,
    /// The folder that the engine sees.
    pub context: PathBuf,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// The stage to build, if not the last.
    pub target: Option<String>,
    /// The build arguments.
    pub args: Vec<(String, String)>,
    /// What is built for.
    pub platforms: Vec<Platform>,
    /// The images that it is built from, each as exactly as it is known: the build uses these. Also
    /// the one that makes its SBOM, if the settings name it.
    pub base_images: Vec<BaseImage>,
    /// What the image follows from.
    pub key: InputKey,
    /// What to do.
    pub decision: Decision,
}

/// An image that the Dockerfile names, in `FROM`, `COPY --from` or `RUN --mount=from=`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BaseImage {
    /// As BuildKit calls it: `python:3.11-slim`.
    pub name: String,
    /// What is taken: `docker.io/library/python@sha256:…` or, if only the engine has it, its name
    /// there.
    pub reference: String,
    /// The id that the engine has for it, if only the engine knows which image that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Digest>,
    /// The instructions that it adds to each Dockerfile that builds on it, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    /// A stage of the Dockerfile has this name, too (`FROM node AS node`). A named context would take
    /// the place of that stage: the builder gets none for it, and must pull the name afresh.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadowed: bool,
    /// It is not in the Dockerfile: it makes the SBOM.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub makes_sbom: bool,
}

impl BaseImage {
    /// Whether the builder takes it for what the Dockerfile names.
    pub(crate) fn is_named_context(&self) -> bool {
        !self.shadowed && !self.makes_sbom
    }

    /// Its name, as it differs from all others of the same image.
    pub(crate) fn told_apart(&self) -> String {
        match self.makes_sbom {
            true => format!("{} (SBOM generator)", self.name),
            false => self.name.clone(),
        }
    }

    /// What is taken, with the id if that is not in the reference.
    pub(crate) fn exact(&self) -> String {
        match &self.id {
            Some(id) => format!("{}@{id}", self.reference),
            None => self.reference.clone(),
        }
    }
}

/// What to do about one pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The registry has it.
    Reuse {
        /// What the registry has.
        digest: Digest,
    },
    /// It must be built.
    Build {
        /// The reason.
        why: Why,
    },
}

/// Why an image is built, or is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// Nothing is pinned yet.
    FirstBuild,
    /// The caller wants it.
    Forced,
    /// The image of these inputs is older than wanted.
    TooOld {
        /// When it was made.
        made: jiff::Timestamp,
    },
    /// Something is pinned, and these inputs were never built. What differs is not known, because
    /// nothing is recorded of the inputs of the pin.
    InputsChanged,
    /// Something is pinned, and it was built from other inputs.
    Changed {
        /// What is pinned.
        since: Digest,
        /// What differs, the most telling first; the first few if it is much.
        changes: Vec<InputChange>,
        /// How many more differences there are.
        #[serde(default, skip_serializing_if = "is_zero")]
        more: usize,
    },
    /// These inputs were built before.
    SameInputs,
    /// The registry was not asked whether these inputs were built before.
    NotAsked,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The SHA-256 of everything that an image follows from, and of nothing else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InputKey(String);

impl BuildPlan {
    /// A plan of these items.
    #[must_use]
    pub fn new(items: Vec<Planned>, settings: ImageSettings) -> Self {
        Self {
            schema: 1,
            items,
            settings,
            evidence: Evidence::default(),
        }
    }

    /// The items that must be built.
    pub fn to_build(&self) -> impl Iterator<Item = &Planned> {
        self.items
            .iter()
            .filter(|item| matches!(item.decision, Decision::Build { .. }))
    }
}

impl Planned {
    /// The image that makes its SBOM, if that is known.
    pub(crate) fn sbom_generator(&self) -> Option<&BaseImage> {
        self.base_images.iter().find(|image| image.makes_sbom)
    }

    /// How people call it: the processor, and the platform if it has a pin for each.
    #[must_use]
    pub fn name(&self) -> String {
        item_name(&self.reference, self.pin_platform.as_ref())
    }

    /// The image, if the registry has it.
    #[must_use]
    pub fn reused(&self) -> Option<PinnedImage> {
        match &self.decision {
            Decision::Reuse { digest } => Some(self.repository.at(digest.clone())),
            Decision::Build { .. } => None,
        }
    }

    /// Why it is built, or is not.
    #[must_use]
    pub fn why(&self) -> Why {
        match &self.decision {
            Decision::Reuse { .. } => Why::SameInputs,
            Decision::Build { why } => why.clone(),
        }
    }
}

pub(crate) fn item_name(reference: &ProcessorRef, platform: Option<&Platform>) -> String {
    match platform {
        Some(platform) => format!("{reference} {platform}"),
        None => reference.to_string(),
    }
}

impl InputKey {
    pub(crate) fn new(hash: [u8; 32]) -> Self {
        Self(hex::encode(hash))
    }

    /// All 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag under which an image with these inputs is found: `inputs-` and 32 digits.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("inputs-{}", &self.0[..32])
    }

    /// The first 12 digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// A text that is no input key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read input key `{found}`: expected 64 hexadecimal digits in lower case")]
pub struct KeyError {
    /// The text.
    pub found: String,
}

impl FromStr for InputKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(lower_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError {
                found: text.chars().take(100).collect(),
            })
        }
    }
}

impl TryFrom<String> for InputKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<InputKey> for String {
    fn from(key: InputKey) -> Self {
        key.0
    }
}

impl fmt::Display for InputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
