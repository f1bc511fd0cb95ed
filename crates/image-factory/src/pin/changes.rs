use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use registry_model::{
    Entry, Pin, PinPlace, PinRequest, PinState, PinnedImage, Platform, ProcessorRef, Registry,
    SetOutcome,
};
use serde::{Deserialize, Serialize};

use crate::FactoryError;
use crate::build::BuildReport;
use crate::plan::{InputKey, Why, item_name};

/// The pins that differ from what was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinChanges {
    /// One for each pin that is to change.
    pub changes: Vec<PinChange>,
    /// The pins that are what was built.
    #[serde(default)]
    pub unchanged: Vec<PinUnchanged>,
    /// The registry files that also have pins which the report says nothing of.
    #[serde(default)]
    pub partial: Vec<PathBuf>,
    /// How many registry files there are, those that the report says nothing of included.
    #[serde(default)]
    pub registry_files: usize,
}

/// A pin that is what was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinUnchanged {
    /// Its registry file, relative to the root of the repository.
    pub file: PathBuf,
    /// The platform that the pin is for; none for `image.oci`, which serves all.
    pub pin_platform: Option<Platform>,
    /// What is pinned.
    pub image: PinnedImage,
}

/// A pin that is to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinChange {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// Its registry file, relative to the root of the repository.
    pub file: PathBuf,
    /// The platform that the pin is for; none for `image.oci`, which serves all.
    pub pin_platform: Option<Platform>,
    /// What is pinned; none while it is pending.
    pub old: Option<PinnedImage>,
    /// What shall be pinned.
    pub new: PinnedImage,
    /// What the new image follows from.
    pub key: InputKey,
    /// Why it was built, or was not.
    pub why: Why,
    /// Bytes to pull of the old image, compressed, if known.
    #[serde(default)]
    pub old_size: Option<u64>,
    /// Bytes to pull of the new image, compressed, if known.
    #[serde(default)]
    pub new_size: Option<u64>,
}

impl PinChanges {
    /// Whether every pin is as it should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The pins that the report speaks of, with what they are or shall be.
    pub(super) fn reported(&self) -> impl Iterator<Item = (&Path, PinPlace, &PinnedImage)> {
        let changed = self.changes.iter();
        let changed = changed.map(|one| (one.file.as_path(), one.place(), &one.new));
        let unchanged = self.unchanged.iter().map(|one| {
            let place = place(one.pin_platform.as_ref());
            (one.file.as_path(), place, &one.image)
        });
        changed.chain(unchanged)
    }

    /// Whether the report speaks of every registry file.
    pub(super) fn is_whole(&self) -> bool {
        let files: BTreeSet<&Path> = self.reported().map(|(file, ..)| file).collect();
        files.len() >= self.registry_files
    }

    /// The files that change, each once.
    pub(super) fn files(&self) -> Vec<&Path> {
        let mut files: Vec<&Path> = self.changes.iter().map(|c| c.file.as_path()).collect();
        files.sort_unstable();
        files.dedup();
        files
    }
}

impl PinChange {
    /// How people call it: the processor, and the platform if it has a pin for each.
    #[must_use]
    pub fn name(&self) -> String {
        item_name(&self.reference, self.pin_platform.as_ref())
    }

    pub(super) fn place(&self) -> PinPlace {
        place(self.pin_platform.as_ref())
    }
}

fn place(platform: Option<&Platform>) -> PinPlace {
    match platform {
        Some(platform) => PinPlace::Platform(platform.clone()),
        None => PinPlace::Oci,
    }
}

/// Compares what was built with what is pinned. A pin that is the same image is no change: merging
/// a pin therefore leaves nothing to pin.
///
/// # Errors
/// When the report names a processor or a place that the registry files do not have.
pub fn changes(report: &BuildReport, registry: &Registry) -> Result<PinChanges, FactoryError> {
    let mut changes = Vec::new();
    let mut unchanged = Vec::new();
    for built in &report.built {
        let missing = |problem: &str| FactoryError::PinPlace {
            item: built.name(),
            problem: problem.to_owned(),
        };
        let entry = registry
            .entries
            .iter()
            .find(|entry| entry.reference == built.reference && entry.file == built.file)
            .ok_or_else(|| missing(&format!("it is not in {}", built.file.display())))?;
        let place = place(built.pin_platform.as_ref());
        let pin = entry
            .pins
            .iter()
            .find(|pin| pin.place == place)
            .ok_or_else(|| missing(&format!("{} has no such pin", built.file.display())))?;
        let old = match &pin.state {
            PinState::Pinned(image) if *image == built.image => {
                unchanged.push(PinUnchanged {
                    file: built.file.clone(),
                    pin_platform: built.pin_platform.clone(),
                    image: built.image.clone(),
                });
                continue;
            }
            PinState::Pinned(image) => Some(image.clone()),
            PinState::Pending { .. } => None,
        };
        let replaced = built.replaces.as_ref();
        let replaced = replaced.filter(|replaced| Some(&replaced.image) == old.as_ref());
        changes.push(PinChange {
            reference: built.reference.clone(),
            file: built.file.clone(),
            pin_platform: built.pin_platform.clone(),
            old,
            new: built.image.clone(),
            key: built.key.clone(),
            why: built.why.clone(),
            old_size: replaced.and_then(|replaced| replaced.size),
            new_size: built.size,
        });
    }
    let is_built = |entry: &Entry, pin: &Pin| {
        report.built.iter().any(|built| {
            built.file == entry.file && place(built.pin_platform.as_ref()) == pin.place
        })
    };
    let partial = registry.entries.iter().filter(|entry| {
        let built = entry.pins.iter().filter(|pin| is_built(entry, pin)).count();
        (1..entry.pins.len()).contains(&built)
    });
    let files: BTreeSet<&Path> = registry.entries.iter().map(Entry::file).collect();
    Ok(PinChanges {
        changes,
        unchanged,
        partial: partial.map(|entry| entry.file.clone()).collect(),
        registry_files: files.len(),
    })
}

/// Writes the pins into the registry files below `root`, and says how many files changed. A file
/// gets all of its pins or none.
///
/// # Errors
/// With every file that could not be written; the others are.
pub fn apply(root: &Path, changes: &PinChanges) -> Result<usize, FactoryError> {
    let requests: Vec<PinRequest> = changes
        .changes
        .iter()
        .map(|change| PinRequest {
            file: root.join(&change.file),
            place: change.place(),
            image: change.new.clone(),
        })
        .collect();
    let mut written = Vec::new();
    let mut failures = Vec::new();
    for (change, result) in changes
        .changes
        .iter()
        .zip(registry_model::set_files(&requests))
    {
        match result {
            Ok(SetOutcome::Written) => written.push(change.file.as_path()),
            Ok(SetOutcome::AlreadySo) => {}
            Err(error) => failures.push((change.file.clone(), chain(&error))),
        }
    }
    written.sort_unstable();
    written.dedup();
    if failures.is_empty() {
        Ok(written.len())
    } else {
        Err(FactoryError::PartlyPinned {
            failures,
            total: changes.changes.len(),
        })
    }
}

/// An error with its causes, for a list of several.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
