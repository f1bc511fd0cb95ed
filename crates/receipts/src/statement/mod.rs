//! in-toto statements: reading what anybody may have written, and writing our own.

mod acceptance;
mod build;
mod deployment;
mod facts;
mod promotion;
mod read;
mod text;

pub use acceptance::Acceptance;
pub use build::Build;
pub use deployment::{Deployment, Smoke};
pub use facts::Facts;
pub use promotion::{Decision, Promotion};
pub use read::{LONGEST_STATEMENT, StatementError};

use registry_model::{Digest, PinnedImage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The type of the statements that are written (in-toto attestation, `spec/v1/statement.md`).
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// What this pipeline calls itself, where a type asks who built or who verifies: a URI.
pub const PIPELINE: &str = "https://github.com/org/pipeline";
/// What cosign 2 still writes. The fields are the same.
const STATEMENT_BEFORE: &str = "https://in-toto.io/Statement/v0.1";

/// One thing that was found out or done about an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    /// What it is about; never empty. Our own name one image.
    pub subjects: Vec<Subject>,
    /// When, who, where.
    pub facts: Facts,
    /// What was found out or done.
    pub predicate: Predicate,
}

/// A receipt that is to be stored beside its image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Draft {
    /// The image.
    pub image: PinnedImage,
    /// What is to be said about it.
    pub receipt: Receipt,
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subject {
    /// As it stands there; in our own, the image's repository.
    pub name: String,
    /// The digest that binds the statement to its image.
    pub digest: Digest,
}

/// What was found out or done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "details")]
pub enum Predicate {
    /// It was built from these inputs: SLSA provenance.
    Build(Build),
    /// It was tested: in-toto test result.
    Acceptance(Acceptance),
    /// It was deployed to an environment, and called there.
    Deployment(Deployment),
    /// It was let into an environment, or not: SLSA verification summary.
    Promotion(Promotion),
    /// Somebody's statement of another type.
    Other(Other),
}

/// A statement of a type that is not ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Other {
    /// The URI of the type.
    pub predicate_type: String,
    /// What it says, as it came.
    pub predicate: Value,
}

/// The kinds of receipts that a rule can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`Predicate::Build`].
    Build,
    /// [`Predicate::Acceptance`].
    Acceptance,
    /// [`Predicate::Deployment`].
    Deployment,
    /// [`Predicate::Promotion`].
    Promotion,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Well.
    Passed,
    /// Not well.
    Failed,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Build => "build",
            Self::Acceptance => "acceptance",
            Self::Deployment => "deployment",
            Self::Promotion => "promotion",
        })
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
        })
    }
}

impl Kind {
    /// The kind whose predicates have this type.
    pub(crate) fn of_type(predicate_type: &str) -> Option<Self> {
        match predicate_type {
            build::TYPE => Some(Self::Build),
            acceptance::TYPE => Some(Self::Acceptance),
            deployment::TYPE => Some(Self::Deployment),
            promotion::TYPE => Some(Self::Promotion),
            _ => None,
        }
    }
}

impl Outcome {
    /// The outcome with this name.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        [Self::Passed, Self::Failed]
            .into_iter()
            .find(|it| it.to_string() == text)
    }
}

impl From<bool> for Outcome {
    fn from(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }
}

impl Draft {
    /// A receipt about `image`, for beside it.
    #[must_use]
    pub fn about(image: &PinnedImage, facts: Facts, predicate: Predicate) -> Self {
        Self {
            image: image.clone(),
            receipt: Receipt::about(image, facts, predicate),
        }
    }
}

impl Receipt {
    /// A receipt about one image.
    #[must_use]
    pub fn about(image: &PinnedImage, facts: Facts, predicate: Predicate) -> Self {
        Self {
            subjects: vec![Subject {
                name: image.repository.to_string(),
                digest: image.digest.clone(),
            }],
            facts,
            predicate,
        }
    }

    /// The URI of its predicate's type.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        match &self.predicate {
            Predicate::Build(_) => build::TYPE,
            Predicate::Acceptance(_) => acceptance::TYPE,
            Predicate::Deployment(_) => deployment::TYPE,
            Predicate::Promotion(_) => promotion::TYPE,
            Predicate::Other(other) => &other.predicate_type,
        }
    }

    /// Which kind it is of; `None` for a type that is not ours.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self.predicate {
            Predicate::Build(_) => Some(Kind::Build),
            Predicate::Acceptance(_) => Some(Kind::Acceptance),
            Predicate::Deployment(_) => Some(Kind::Deployment),
            Predicate::Promotion(_) => Some(Kind::Promotion),
            Predicate::Other(_) => None,
        }
    }

    /// How it went; `None` for a type that is not ours. An image that was built was built well; one
    /// that was let in against the rules did not pass them.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match &self.predicate {
            Predicate::Build(_) => Some(Outcome::Passed),
            Predicate::Acceptance(acceptance) => Some(acceptance.outcome),
            Predicate::Deployment(deployment) => Some(deployment.outcome),
            Predicate::Promotion(it) => Some(Outcome::from(it.decision == Decision::Passed)),
            Predicate::Other(_) => None,
        }
    }

    /// The statement as JSON, the same bytes for the same receipt. What is signed is these bytes.
    #[must_use]
    pub fn to_statement(&self) -> Vec<u8> {
        let subjects = self.subjects.iter().map(
            |subject| json!({ "name": subject.name, "digest": { "sha256": subject.digest.hex() } }),
        );
        let mut predicate = match &self.predicate {
            Predicate::Build(build) => build.write(&self.facts),
            Predicate::Acceptance(acceptance) => acceptance.write(),
            Predicate::Deployment(deployment) => deployment.write(),
            Predicate::Promotion(promotion) => promotion.write(&self.subjects, &self.facts),
            Predicate::Other(other) => other.predicate.clone(),
        };
        if !matches!(self.predicate, Predicate::Other(_)) {
            predicate[facts::KEY] = self.facts.write();
        }
        let statement = json!({
            "_type": STATEMENT,
            "subject": subjects.collect::<Vec<_>>(),
            "predicateType": self.predicate_type(),
            "predicate": predicate,
        });
        statement.to_string().into_bytes()
    }
}
