//! What an image was made from, as it is kept beside it.

mod diff;
mod made;
mod pack;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use registry_model::Platform;
use serde::{Deserialize, Serialize};

use super::model::InputKey;
pub(crate) use made::{outline, record};
pub(crate) use pack::LONGEST_PACKED;
pub use pack::RecordError;

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
