use github::CommitSha;
use registry_model::{Environment, PinPlace, PinnedImage, Platform, ProcessorRef};
use serde::{Deserialize, Serialize};

use crate::{Change, Comparison, PromotionPlan};

const SCHEMA: u32 = 1;

/// What a promotion did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct PromotionReport {
    /// The version of this format: 1.
    pub schema: u32,
    /// The source.
    pub from: Environment,
    /// The target.
    pub to: Environment,
    /// The commit of the source that was compared and merged.
    pub commit: CommitSha,
    /// The pull request; none when there was nothing to move, or in a dry run.
    pub pull_request: Option<PullRequestLink>,
    /// The commit that the target's branch then stood at.
    pub merged: Option<CommitSha>,
    /// The pins that change in the target.
    pub moves: Vec<Move>,
    /// How many pins are the same in both.
    pub unchanged: usize,
    /// Processors with pins that the target alone has.
    pub only_in_target: Vec<ProcessorRef>,
}

/// A pull request, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PullRequestLink {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
}

/// One pin that changes in the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Move {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// The platform, when the processor has an image for each.
    pub platform: Option<Platform>,
    /// What the target ran.
    pub old: Option<PinnedImage>,
    /// What it runs now.
    pub new: PinnedImage,
}

impl PromotionReport {
    /// What `plan` would do: the whole report of a dry run.
    #[must_use]
    pub fn planned(plan: &PromotionPlan) -> Self {
        let mut only_in_target: Vec<ProcessorRef> = plan
            .comparisons
            .iter()
            .filter(|comparison| matches!(comparison.change, Change::OnlyInTarget { .. }))
            .map(|comparison| comparison.reference.clone())
            .collect();
        only_in_target.dedup();
        let same = |comparison: &&Comparison| matches!(comparison.change, Change::Same { .. });
        Self {
            schema: SCHEMA,
            from: plan.from.clone(),
            to: plan.to.clone(),
            commit: plan.commit.clone(),
            pull_request: None,
            merged: None,
            moves: plan.comparisons.iter().filter_map(Move::of).collect(),
            unchanged: plan.comparisons.iter().filter(same).count(),
            only_in_target,
        }
    }
}

impl Move {
    pub(crate) fn of(comparison: &Comparison) -> Option<Self> {
        let (old, new) = match &comparison.change {
            Change::Move { old, new } => (Some(old.clone()), new.clone()),
            Change::New { new } => (None, new.clone()),
            Change::Same { .. } | Change::OnlyInTarget { .. } => return None,
        };
        Some(Self {
            reference: comparison.reference.clone(),
            platform: match &comparison.place {
                PinPlace::Oci => None,
                PinPlace::Platform(platform) => Some(platform.clone()),
            },
            old,
            new,
        })
    }
}
