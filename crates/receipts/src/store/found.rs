use registry_model::{Digest, PinnedImage};
use serde::{Deserialize, Serialize};

use crate::dsse::Envelope;

/// Something beside an image that is, or claims to be, a receipt. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The image it lies beside.
    pub image: PinnedImage,
    /// The artifact; for cosign's, the layer.
    pub place: PinnedImage,
    /// Where it was found.
    pub source: Source,
    /// The digest that its list promises of the statement.
    pub promised: Option<Digest>,
    /// Its content.
    pub content: Result<Envelope, Flaw>,
}

/// Where a receipt was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An artifact whose subject is the image.
    Referrer,
    /// The tag where cosign keeps attestations.
    Cosign,
}

/// What is wrong with content before anything is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It has not the digest that it should have.
    Altered(String),
    /// It is no envelope, or missing.
    Unreadable(String),
}
