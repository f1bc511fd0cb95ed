use github::CommitSha;
use jiff::Timestamp;
use registry_model::{Environment, PinPlace, PinnedImage, Platform, ProcessorRef};
use serde::{Deserialize, Serialize};

use crate::{Admission, Change, Comparison, PromotionPlan, RunOptions, Scope};

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
    /// The commit of the source whose pins these are.
    pub commit: CommitSha,
    /// When it was over.
    pub ended_at: Timestamp,
    /// Whether only some processors were asked for.
    pub partial: bool,
    /// The pull request; none when there was nothing to move, in a dry run, or when it was refused.
    pub pull_request: Option<PullRequestLink>,
    /// The commit that the target's branch then stood at; none while the request is open.
    pub merged: Option<CommitSha>,
    /// Whether each processor that differs may go, and why not.
    pub processors: Vec<Admission>,
    /// Who took the responsibility for those that may not, and why.
    pub bypass: Option<Bypass>,
    /// The pins that change in the target.
    pub moves: Vec<Move>,
    /// How many pins are the same in both.
    pub unchanged: usize,
    /// Processors with pins that the target alone has.
    pub only_in_target: Vec<ProcessorRef>,
    /// What people should know besides.
    pub notices: Vec<String>,
}

/// Who lets something go against the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bypass {
    /// An account, or a name.
    pub by: String,
    /// The reason, for whoever reads it later.
    pub why: String,
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
    /// What `plan` would do with these options: the whole report of a dry run.
    #[must_use]
    pub fn judged(plan: &PromotionPlan, options: &RunOptions) -> Self {
        let refused = options.admissions.iter().any(Admission::is_refused)
            || options.merge && !options.rules_changed.is_empty();
        Self {
            partial: matches!(options.scope, Scope::Some(_)),
            processors: options.admissions.clone(),
            // What keeps the rules needs nobody's responsibility.
            bypass: options.bypass.clone().filter(|_| refused),
            notices: options.notices.clone(),
            ..Self::planned(plan)
        }
    }

    /// What `plan` would do.
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
            ended_at: Timestamp::now(),
            partial: false,
            pull_request: None,
            merged: None,
            processors: Vec::new(),
            bypass: None,
            moves: plan.comparisons.iter().filter_map(Move::of).collect(),
            unchanged: plan.comparisons.iter().filter(same).count(),
            only_in_target,
            notices: Vec::new(),
        }
    }
}

impl Move {
    pub(crate) fn of(comparison: &Comparison) -> Option<Self> {
        let (old, new) = match &comparison.change {
            Change::Move { old, new } => (Some(old.clone()), new.clone()),
            Change::New { new } => (None, new.clone()),
            Change::Same { .. } | Change::OnlyInTarget { .. } | Change::Pending { .. } => {
                return None;
            }
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
