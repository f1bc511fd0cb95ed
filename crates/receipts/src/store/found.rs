use std::collections::BTreeMap;

use jiff::Timestamp;
use registry_model::{Digest, Environment, PinnedImage};
use serde::{Deserialize, Serialize};

use super::{CREATED, ENVIRONMENT, PREDICATE_TYPE, RESULT, STATEMENT};
use crate::dsse::Envelope;
use crate::statement::{Kind, Outcome};

/// Something beside an image that is, or claims to be, a receipt. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The image it lies beside.
    pub image: PinnedImage,
    /// The artifact; for cosign's, the layer.
    pub place: PinnedImage,
    /// Where it was found.
    pub source: Source,
    /// What its list says of it, if anything.
    pub promised: Option<Promise>,
    /// Its content.
    pub content: Result<Envelope, Flaw>,
}

/// What the list of an image's artifacts says of one of them. Nothing of it is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// The digest of the statement.
    pub statement: Option<Digest>,
    /// What the statement says, if it is listed as one of ours.
    pub claim: Option<Claim>,
}

/// What a receipt says, by the word of its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Claim {
    /// Its kind.
    pub kind: Kind,
    /// How it went.
    pub outcome: Outcome,
    /// When.
    pub time: Option<Timestamp>,
    /// The environment it is about.
    pub environment: Option<Environment>,
}

impl Promise {
    /// What these annotations say.
    pub(super) fn read(annotations: &BTreeMap<String, String>) -> Self {
        let read = |name: &str| annotations.get(name).map(String::as_str);
        let claim = || {
            Some(Claim {
                kind: Kind::of_type(read(PREDICATE_TYPE)?)?,
                // Nobody else's artifacts have it.
                outcome: Outcome::of_text(read(RESULT)?)?,
                time: read(CREATED).and_then(|time| time.parse().ok()),
                environment: read(ENVIRONMENT).and_then(|name| name.parse().ok()),
            })
        };
        Self {
            statement: read(STATEMENT).and_then(|digest| digest.parse().ok()),
            claim: claim(),
        }
    }
}

/// Where a receipt was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An artifact whose subject is the image, of the type that ours have: what gates look at.
    Referrer,
    /// An artifact of another type whose subject is the image: a bundle of sigstore's, as a rule.
    Bundle,
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
