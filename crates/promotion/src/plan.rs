use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use github::CommitSha;
use registry_model::{
    Entry, Environment, Pin, PinPlace, PinState, PinnedImage, Platform, ProcessorRef,
};
use serde::Serialize;

use crate::PromotionError;

/// What should run in an environment, as one commit of its branch says.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The environment; its branch has the same name.
    pub environment: Environment,
    /// The commit whose registry files were read.
    pub commit: CommitSha,
    /// The processors in them.
    pub processors: Vec<Processor>,
}

/// One processor's pins.
#[derive(Clone, Debug)]
pub struct Processor {
    /// Its ref.
    pub reference: ProcessorRef,
    /// Its registry file, relative to the root of the repository.
    pub file: PathBuf,
    /// Its pins; none counts as pending.
    pub pins: Vec<Pin>,
}

/// What a promotion would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct PromotionPlan {
    /// The source.
    pub from: Environment,
    /// The target.
    pub to: Environment,
    /// The commit of the source whose pins are promoted.
    pub commit: CommitSha,
    /// The commit of the target that it was compared with.
    pub target: CommitSha,
    /// Every pin of both, ordered by processor and platform.
    pub comparisons: Vec<Comparison>,
}

/// One pin in both environments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// Which of its pins.
    pub place: PinPlace,
    /// The registry file of the target that has this pin, if one does.
    pub file: Option<PathBuf>,
    /// How the target differs.
    pub change: Change,
}

/// How the target's pin differs from the source's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Both run the same image.
    Same {
        /// It.
        image: PinnedImage,
    },
    /// The target runs another image.
    Move {
        /// What the target runs.
        old: PinnedImage,
        /// What it is to run.
        new: PinnedImage,
    },
    /// The target has no such pin, or a pending one.
    New {
        /// What it is to run.
        new: PinnedImage,
    },
    /// The source has no image for it yet: it was never built.
    Pending {
        /// What the target runs.
        old: Option<PinnedImage>,
    },
    /// The source has no such pin. The promotion of some does not touch what runs; that of
    /// everything [may take it away](crate::Loss).
    OnlyInTarget {
        /// What the target runs, unless its pin is pending.
        old: Option<PinnedImage>,
    },
}

impl Standing {
    /// What the enabled ones of `entries` say for `platforms`, those that are built: a pin for
    /// another platform is nobody's promise, and may be pending for ever.
    #[must_use]
    pub fn of_entries(
        environment: Environment,
        commit: CommitSha,
        entries: &[Entry],
        platforms: &[Platform],
    ) -> Self {
        let counts = |pin: &Pin| match &pin.place {
            PinPlace::Oci => true,
            PinPlace::Platform(platform) => platforms.contains(platform),
        };
        let enabled = entries.iter().filter(|entry| entry.enabled);
        Self {
            environment,
            commit,
            processors: enabled
                .map(|entry| Processor {
                    reference: entry.reference.clone(),
                    file: entry.file.clone(),
                    pins: entry
                        .pins
                        .iter()
                        .filter(|pin| counts(pin))
                        .cloned()
                        .collect(),
                })
                .collect(),
        }
    }

    /// The same with these processors alone.
    #[must_use]
    pub fn only(&self, chosen: &BTreeSet<ProcessorRef>) -> Self {
        let kept = self.processors.iter();
        let kept = kept.filter(|processor| chosen.contains(&processor.reference));
        Self {
            processors: kept.cloned().collect(),
            ..self.clone()
        }
    }

    /// What this pin is, if the processor has it and it is not pending.
    #[must_use]
    pub fn image(&self, reference: &ProcessorRef, place: &PinPlace) -> Option<&PinnedImage> {
        let mut processors = self.processors.iter();
        let processor = processors.find(|one| one.reference == *reference)?;
        image(processor.pins.iter().find(|pin| pin.place == *place)?)
    }

    fn by_ref(&self) -> Result<BTreeMap<&ProcessorRef, &Processor>, PromotionError> {
        let mut found = BTreeMap::new();
        for processor in &self.processors {
            let again = found.insert(&processor.reference, processor);
            if again.is_some() {
                return Err(PromotionError::Duplicate {
                    environment: self.environment.clone(),
                    processor: processor.reference.clone(),
                });
            }
        }
        Ok(found)
    }
}

impl PromotionPlan {
    /// Whether there is nothing to promote.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moves().next().is_none()
    }

    /// The pins that the promotion changes.
    pub fn moves(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons
            .iter()
            .filter(|comparison| comparison.change.target().is_some())
    }
}

impl Change {
    /// What the target is to run in place of what it runs now, if anything.
    #[must_use]
    pub fn target(&self) -> Option<&PinnedImage> {
        match self {
            Self::Move { new, .. } | Self::New { new } => Some(new),
            Self::Same { .. } | Self::OnlyInTarget { .. } | Self::Pending { .. } => None,
        }
    }

    /// What the target runs now, if anything.
    #[must_use]
    pub fn current(&self) -> Option<&PinnedImage> {
        match self {
            Self::Same { image } => Some(image),
            Self::Move { old, .. } => Some(old),
            Self::Pending { old } | Self::OnlyInTarget { old } => old.as_ref(),
            Self::New { .. } => None,
        }
    }
}

/// Compares the pins of two environments.
///
/// # Errors
/// When either names a processor twice, or they are the same environment.
pub fn plan(from: &Standing, to: &Standing) -> Result<PromotionPlan, PromotionError> {
    if from.environment == to.environment {
        return Err(PromotionError::SameEnvironment {
            environment: from.environment.clone(),
        });
    }
    let (source, target) = (from.by_ref()?, to.by_ref()?);
    let references: BTreeSet<&ProcessorRef> = source.keys().chain(target.keys()).copied().collect();
    let mut comparisons = Vec::new();
    for reference in references {
        let (new, old) = (source.get(reference), target.get(reference));
        let pins = |processor: Option<&&Processor>| -> BTreeMap<PinPlace, Option<PinnedImage>> {
            let pins = processor.map(|processor| processor.pins.as_slice());
            pins.unwrap_or_default()
                .iter()
                .map(|pin| (pin.place.clone(), image(pin).cloned()))
                .collect()
        };
        let (mut there, here) = (pins(new), pins(old));
        if new.is_some() && there.is_empty() {
            there.insert(PinPlace::Oci, None);
        }
        let places: BTreeSet<&PinPlace> = there.keys().chain(here.keys()).collect();
        for place in places {
            let file = old.filter(|_| here.contains_key(place));
            let (new, old) = (there.get(place), here.get(place).cloned().flatten());
            comparisons.push(Comparison {
                reference: reference.clone(),
                place: place.clone(),
                file: file.map(|processor| processor.file.clone()),
                change: match (old, new) {
                    (Some(old), Some(Some(new))) if old == *new => Change::Same { image: old },
                    (Some(old), Some(Some(new))) => Change::Move {
                        old,
                        new: new.clone(),
                    },
                    (None, Some(Some(new))) => Change::New { new: new.clone() },
                    (old, Some(None)) => Change::Pending { old },
                    (old, None) => Change::OnlyInTarget { old },
                },
            });
        }
    }
    Ok(PromotionPlan {
        from: from.environment.clone(),
        to: to.environment.clone(),
        commit: from.commit.clone(),
        target: to.commit.clone(),
        comparisons,
    })
}

fn image(pin: &Pin) -> Option<&PinnedImage> {
    match &pin.state {
        PinState::Pinned(image) => Some(image),
        PinState::Pending { .. } => None,
    }
}
