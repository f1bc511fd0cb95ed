use std::collections::{BTreeMap, BTreeSet};

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
    /// The commit of the source that is to be merged.
    pub commit: CommitSha,
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
    /// The source has no such pin. The promotion does not touch what runs.
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

    fn by_ref(&self) -> Result<BTreeMap<&ProcessorRef, &[Pin]>, PromotionError> {
        let mut found = BTreeMap::new();
        for processor in &self.processors {
            let again = found.insert(&processor.reference, processor.pins.as_slice());
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
            Self::Same { .. } | Self::OnlyInTarget { .. } => None,
        }
    }
}

/// Compares the pins of two environments.
///
/// # Errors
/// When the source has a pending pin, either names a processor twice, or they are the same
/// environment.
pub fn plan(from: &Standing, to: &Standing) -> Result<PromotionPlan, PromotionError> {
    if from.environment == to.environment {
        return Err(PromotionError::SameEnvironment {
            environment: from.environment.clone(),
        });
    }
    let (source, target) = (from.by_ref()?, to.by_ref()?);
    let pending: Vec<ProcessorRef> = source
        .iter()
        .filter(|(_, pins)| pins.is_empty() || pins.iter().any(|pin| image(pin).is_none()))
        .map(|(reference, _)| (*reference).clone())
        .collect();
    if !pending.is_empty() {
        return Err(PromotionError::Pending {
            from: from.environment.clone(),
            to: to.environment.clone(),
            processors: pending,
        });
    }
    let references: BTreeSet<&ProcessorRef> = source.keys().chain(target.keys()).copied().collect();
    let mut comparisons = Vec::new();
    for reference in references {
        let pins = |side: &BTreeMap<_, &[Pin]>| -> BTreeMap<PinPlace, Option<PinnedImage>> {
            let pins = side.get(reference).copied().unwrap_or_default();
            pins.iter()
                .map(|pin| (pin.place.clone(), image(pin).cloned()))
                .collect()
        };
        let (new, old) = (pins(&source), pins(&target));
        let places: BTreeSet<&PinPlace> = new.keys().chain(old.keys()).collect();
        for place in places {
            let new = new.get(place).cloned().flatten();
            let old = old.get(place).cloned().flatten();
            comparisons.push(Comparison {
                reference: reference.clone(),
                place: place.clone(),
                change: match (old, new) {
                    (Some(old), Some(new)) if old == new => Change::Same { image: new },
                    (Some(old), Some(new)) => Change::Move { old, new },
                    (None, Some(new)) => Change::New { new },
                    (old, None) => Change::OnlyInTarget { old },
                },
            });
        }
    }
    Ok(PromotionPlan {
        from: from.environment.clone(),
        to: to.environment.clone(),
        commit: from.commit.clone(),
        comparisons,
    })
}

fn image(pin: &Pin) -> Option<&PinnedImage> {
    match &pin.state {
        PinState::Pinned(image) => Some(image),
        PinState::Pending { .. } => None,
    }
}
