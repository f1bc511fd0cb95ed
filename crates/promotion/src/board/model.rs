//! What is pinned, live and proven, as values: what `status` prints, the page shows, and each stage
//! has a row of in its summary.

use std::collections::BTreeMap;

use jiff::Timestamp;
use receipts::statement::Kind;
use registry_model::{Digest, Environment, PinnedImage, Platform, ProcessorRef};
use serde::{Deserialize, Serialize};

/// Processors × environments at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Board {
    /// The version of this format: 1.
    pub schema: u32,
    /// When everything was asked.
    pub made_at: Timestamp,
    /// What it is about, for its heading: `owner/name`, or the name of a folder.
    pub title: String,
    /// The page of the repository, such as `https://github.com/acme/models`, to link commits.
    pub url: Option<String>,
    /// In the order of promotion.
    pub environments: Vec<Environment>,
    /// In the order of their refs.
    pub processors: Vec<Row>,
    /// Every image that occurs, by its digest.
    pub images: BTreeMap<Digest, ImageStory>,
    /// What happened, the newest first.
    pub timeline: Vec<Event>,
    /// What is not as git has it and belongs to no processor: an app that nobody pins, a secret that
    /// is missing.
    pub strays: Vec<String>,
    /// What could not be asked or is not told here, for people.
    pub notices: Vec<String>,
}

impl Board {
    /// How many things are not as git has them, as far as anybody was asked.
    #[must_use]
    pub fn drift(&self) -> usize {
        let cells = self.processors.iter().flat_map(|row| &row.cells);
        cells.filter(|cell| !cell.drift.is_empty()).count() + self.strays.len()
    }
}

/// One processor, on one platform where it has an image for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// The platform, when the processor has an image for each.
    pub platform: Option<Platform>,
    /// One for each environment, in their order.
    pub cells: Vec<Cell>,
}

/// One processor in one environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cell {
    /// What the branch of the environment pins; none when it is pending or not there.
    pub pinned: Option<PinnedImage>,
    /// Since when it pins that, as far as the history goes.
    pub pinned_at: Option<Timestamp>,
    /// The commit that pinned it.
    pub commit: Option<String>,
    /// What Modal runs.
    pub live: Live,
    /// The digest at which a person holds it.
    pub held: Option<Digest>,
    /// What is wrong with what runs; empty when nothing is.
    pub drift: Vec<String>,
    /// How the pinned image stands with what the next environment asks for, or for the last one
    /// with what it asks for itself.
    pub proofs: Vec<Proof>,
    /// Why it may not go to the next environment; empty when it may, has, or there is none. What is
    /// not pinned yet says so, in the last environment too.
    pub why_not: Vec<String>,
}

/// What Modal runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "state",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Live {
    /// Nobody asked, or Modal could not tell.
    #[default]
    Unknown,
    /// Nothing.
    Nothing,
    /// A version of the app.
    Version {
        /// Its number, where Modal tells.
        version: Option<u32>,
        /// The digest of its image, or as many first digits as are known.
        digest: Option<String>,
        /// When it was deployed.
        at: Option<Timestamp>,
    },
}

/// How an image stands with one thing that is asked of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// What is asked: `acceptance`, `deployment in dev`.
    pub requirement: String,
    /// How it stands.
    pub state: ProofState,
    /// Why, where it is not passed.
    pub why: Option<String>,
    /// When the receipt that decides was made.
    pub at: Option<Timestamp>,
}

/// How an image stands with one thing that is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofState {
    /// The newest receipt that is believed says so.
    Passed,
    /// The newest receipt that is believed says that it failed.
    Failed,
    /// There is one that is not believed.
    Refused,
    /// There is none.
    Missing,
    /// The registry could not be asked.
    Unknown,
}

/// The chain of one image, from its source to where it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageStory {
    /// Where it lies.
    pub repository: String,
    /// The commit that it was built from, as its receipt of the build says.
    pub source_commit: Option<String>,
    /// What has been said about it, the oldest first.
    pub receipts: Vec<ReceiptLine>,
}

/// One receipt, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReceiptLine {
    /// Its kind; the type of its predicate where it is none of ours.
    pub kind: String,
    /// Which kind of ours.
    pub known: Option<Kind>,
    /// Whether it says that it went well; none when it does not say.
    pub passed: Option<bool>,
    /// Why it is not believed.
    pub refused: Option<String>,
    /// The environment that it is about.
    pub environment: Option<Environment>,
    /// When it was made.
    pub at: Option<Timestamp>,
    /// Who made it.
    pub by: Option<String>,
    /// Where the run can be looked at.
    pub run: Option<String>,
    /// What it says in a few words: the suite, the version of the app.
    pub text: String,
}

/// Something that happened to a pin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub environment: Environment,
    /// What kind: `pinned`, `promoted`, `rolled-back`.
    pub kind: EventKind,
    /// The processors with what they had and what they got.
    pub moves: Vec<EventMove>,
    /// The commit on the branch.
    pub commit: String,
    /// Its first line.
    pub title: String,
    /// Who wrote it.
    pub by: String,
}

/// What kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A digest that no environment had before.
    Pinned,
    /// A digest that the environment before had already.
    Promoted,
    /// A digest that this environment had before.
    RolledBack,
}

/// One pin in an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EventMove {
    /// What the pin is of: the ref, or the file where no processor can be told.
    pub name: String,
    /// What was pinned before.
    pub old: Option<Digest>,
    /// What is pinned since.
    pub new: Option<Digest>,
}
