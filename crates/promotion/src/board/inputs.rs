//! What a board is made of: what others found out, in their order of finding it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use receipts::verify::Verdict;
use registry_model::{Digest, PinnedImage, ProcessorRef};

use super::Live;
use crate::gate::Rules;
use crate::plan::Standing;

/// All that is known.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// When everything was asked.
    pub made_at: Timestamp,
    /// `owner/name`, or the name of a folder.
    pub title: String,
    /// The page of the repository.
    pub url: Option<String>,
    /// The environments, in the order of promotion.
    pub places: Vec<Place>,
    /// What lies beside each image, judged, or why nobody can tell. An image that is not here was not
    /// asked about.
    pub judged: BTreeMap<PinnedImage, Result<Vec<Verdict>, String>>,
    /// What is not as git has it and belongs to no processor.
    pub strays: Vec<String>,
    /// What could not be asked.
    pub notices: Vec<String>,
}

/// One environment.
#[derive(Clone, Debug)]
pub struct Place {
    /// What its branch pins.
    pub standing: Standing,
    /// What its branch pinned before.
    pub past: Past,
    /// What runs, by the processor that it should be; none when nobody asked.
    pub running: Option<BTreeMap<ProcessorRef, Running>>,
    /// What is asked of an image that goes to the next environment; in the last one, of an image
    /// that came here.
    pub rules: Rules,
    /// What the next environment makes of the receipts, for the images where that is not as in
    /// [`Inputs::judged`]: it may believe other keys.
    pub judged: BTreeMap<PinnedImage, Result<Vec<Verdict>, String>>,
    /// Whether the next place is the environment that images go to from here.
    pub is_followed: bool,
}

/// What runs for a processor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Running {
    /// What Modal runs.
    pub live: Live,
    /// The digest at which a person holds it.
    pub held: Option<Digest>,
    /// What is wrong with it.
    pub drift: Vec<String>,
}

/// What a branch pins and has pinned.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Every change, the latest first.
    pub changes: Vec<PinChange>,
    /// Every digest that it has or had in one of its files.
    pub digests: BTreeSet<Digest>,
    /// Whether there may be earlier changes that are not told.
    pub is_cut: bool,
}

/// One file in one commit that changed an image by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinChange {
    /// When it came to the branch.
    pub at: Timestamp,
    /// The commit on the branch.
    pub commit: String,
    /// Who wrote it, for people: bounded, and without control characters.
    pub author: String,
    /// Its first line, likewise.
    pub title: String,
    /// The file, relative to the root of the repository.
    pub file: PathBuf,
    /// The images that are no longer there, in the order of the file. One that only moved within the
    /// file is in neither list.
    pub removed: Vec<PinnedImage>,
    /// The images that are new there, likewise.
    pub added: Vec<PinnedImage>,
}
