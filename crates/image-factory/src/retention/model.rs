use std::collections::BTreeSet;
use std::fmt;

use registry_model::{Digest, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

/// What a branch pins, and what it pinned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchHistory {
    /// The branch.
    pub branch: String,
    /// The processors at its head, pinned or not.
    pub processors: BTreeSet<ProcessorRef>,
    /// The pins at its head.
    pub head: Vec<PinnedAt>,
    /// The pins that it had, the latest first. What is pinned now is among them.
    pub earlier: Vec<PinnedAt>,
    /// Whether earlier pins were wanted, and the clone has only the end of the history.
    pub shallow: bool,
    /// Earlier files whose pins could not be read, each with the reason.
    pub unreadable: Vec<String>,
}

/// One pin of one processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedAt {
    /// The processor.
    pub reference: ProcessorRef,
    /// Where in the file: `image.oci`, `image.platforms.amd64`.
    pub place: String,
    /// What is pinned.
    pub image: PinnedImage,
}

/// Every digest that must stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RetentionReport {
    /// The version of this format.
    pub schema: u32,
    /// The branches that were read.
    pub branches: Vec<String>,
    /// The digests, sorted by image.
    pub digests: Vec<Reachable>,
    /// What was not read, and may therefore be missing here.
    pub warnings: Vec<String>,
}

/// A digest that must stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reachable {
    /// The digest, with its repository.
    pub image: PinnedImage,
    /// How it is reached.
    pub role: Role,
    /// Who pins it; nobody pins a part or an attachment.
    pub uses: Vec<Use>,
    /// Whether the registry has it.
    pub present: bool,
}

/// How a digest is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A branch pins it.
    Pinned,
    /// A branch pinned it before.
    Earlier,
    /// A manifest of this index.
    PartOf(Digest),
    /// An artifact beside this image, as a referrer or by the name of its tag.
    AttachedTo(Digest),
    /// The list of artifacts of this image, in registries without the referrers API.
    ListsArtifactsOf(Digest),
}

/// A pin, now or before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Use {
    /// The branch.
    pub branch: String,
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// Whether it is pinned there now.
    pub now: bool,
}

impl RetentionReport {
    /// What the registry does not have.
    pub fn missing(&self) -> impl Iterator<Item = &Reachable> {
        self.digests.iter().filter(|one| !one.present)
    }

    /// `<repository>@<digest>`, one a line, sorted: what a clean-up must leave alone.
    #[must_use]
    pub fn keep_list(&self) -> String {
        let mut lines: Vec<String> = self
            .digests
            .iter()
            .map(|one| format!("{}\n", one.image))
            .collect();
        lines.sort_unstable();
        lines.concat()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned => f.write_str("pinned"),
            Self::Earlier => f.write_str("pinned before"),
            Self::PartOf(of) => write!(f, "part of {}", of.short()),
            Self::AttachedTo(of) => write!(f, "attached to {}", of.short()),
            Self::ListsArtifactsOf(of) => write!(f, "lists artifacts of {}", of.short()),
        }
    }
}
