//! The branch that a promotion is requested from, and what is on it.

use github::{CommitSha, FileChange, GithubError, NewCommit, NewMerge};
use registry_model::ProcessorRef;
use sha2::{Digest as _, Sha256};

use crate::run::{Run, Step};
use crate::{Forge, PromotionError, PromotionPlan, Scope};

/// How all of these branches begin.
const PREFIX: &str = "promote/";
/// In the message of a commit: the commit of the source that is promoted.
const SOURCE: &str = "Pipeline-Promotes";
/// In the message of a commit: the target.
const TARGET: &str = "Pipeline-Target";
/// Digits by which choices of processors differ.
const DIGITS: usize = 12;

/// The branch for everything. Names of environments have no dot, so that nothing else begins so
/// but what [`of_some`] gives.
pub(crate) fn of_all(plan: &PromotionPlan) -> String {
    format!("{PREFIX}{}-to-{}", plan.from, plan.to)
}

/// The branch for these processors alone.
pub(crate) fn of_some<'a>(
    plan: &PromotionPlan,
    chosen: impl IntoIterator<Item = &'a ProcessorRef>,
) -> String {
    let mut hash = Sha256::new();
    for reference in chosen {
        hash.update(reference.to_string());
        hash.update([0]);
    }
    let digits: String = hex::encode(hash.finalize()).chars().take(DIGITS).collect();
    format!("{}.{digits}", of_all(plan))
}

/// What the branch shall point at.
pub(crate) enum Content {
    /// The planned commit itself.
    Source,
    /// It, joined with the target, whose own changes to pins it replaces.
    Joined(NewMerge),
    /// The target with other pins.
    Pins(NewCommit),
}

impl Content {
    pub(crate) fn of(plan: &PromotionPlan, scope: &Scope, files: Vec<FileChange>) -> Self {
        let message = |title: &str| {
            let pins: String = plan
                .moves()
                .filter_map(|one| {
                    let image = one.change.target()?;
                    Some(format!("{} {}: {image}\n", one.reference, one.place))
                })
                .collect();
            let (source, to) = (&plan.commit, &plan.to);
            format!("{title}\n\n{pins}\n{SOURCE}: {source}\n{TARGET}: {to}\n")
        };
        let (from, to) = (&plan.from, &plan.to);
        match scope {
            Scope::All { join: false } => Self::Source,
            Scope::All { join: true } => Self::Joined(NewMerge {
                ours: plan.commit.clone(),
                theirs: plan.target.clone(),
                message: message(&format!("Join {to} with {from}, with the pins of {from}")),
            }),
            Scope::Some(_) => Self::Pins(NewCommit {
                parent: plan.target.clone(),
                message: message(&format!("Promote some pins of {from} to {to}")),
                files,
            }),
        }
    }

    /// The commit, made if need be.
    async fn make<F: Forge>(
        &self,
        forge: &F,
        plan: &PromotionPlan,
    ) -> Result<CommitSha, GithubError> {
        match self {
            Self::Source => Ok(plan.commit.clone()),
            Self::Joined(merge) => forge.commit_merge(merge).await,
            Self::Pins(commit) => Ok(forge.commit_files(commit).await?.sha),
        }
    }

    /// Whether a commit says that it was made for this: its files may be others.
    fn is_claimed_by(&self, commit: &github::Commit) -> bool {
        let same = |message: &str, parents: &[&CommitSha]| {
            commit.message.trim_end() == message.trim_end()
                && commit.parents.iter().eq(parents.iter().copied())
        };
        match self {
            Self::Source => false,
            Self::Joined(merge) => same(&merge.message, &[&merge.ours, &merge.theirs]),
            Self::Pins(new) => same(&new.message, &[&new.parent]),
        }
    }
}

impl<F: Forge> Run<'_, F> {
    /// Sees to it that the branch has `content`, and says at which commit it is then.
    pub(crate) async fn place(&self, content: &Content) -> Result<Step<CommitSha>, PromotionError> {
        let (forge, plan, branch) = (self.forge, self.plan, &self.branch);
        let failed = |error| self.failed(error);
        let Some(tip) = forge.head_of(branch).await.map_err(failed)? else {
            let made = content.make(forge, plan).await.map_err(failed)?;
            return match forge.branch_at(branch, &made).await {
                Ok(()) => Ok(Step::Done(made)),
                Err(GithubError::AlreadyExists { .. }) => Ok(Step::Again),
                Err(error) => Err(failed(error)),
            };
        };
        let commit = forge.look_at(tip.as_str()).await.map_err(failed)?;
        if commit.sha == plan.commit && matches!(content, Content::Source) {
            return Ok(Step::Done(tip));
        }
        let blocked = || PromotionError::Blocked {
            from: plan.from.clone(),
            to: plan.to.clone(),
            branch: branch.clone(),
        };
        if content.is_claimed_by(&commit) {
            // Anybody can write our words over other files: only the files tell.
            let made = content.make(forge, plan).await.map_err(failed)?;
            let made = forge.look_at(made.as_str()).await.map_err(failed)?;
            return match made.tree == commit.tree {
                true => Ok(Step::Done(tip)),
                false => Err(blocked()),
            };
        }
        let Some(source) = self.source_of(&commit).await? else {
            return Err(blocked());
        };
        if self.is_newer(&source).await? {
            return Err(self.moved(plan.from.as_str(), &plan.commit, source));
        }
        let made = content.make(forge, plan).await.map_err(failed)?;
        match forge.swap(branch, &tip, &made).await {
            Ok(()) => Ok(Step::Done(made)),
            Err(GithubError::Moved { .. }) => Ok(Step::Again),
            Err(error) => Err(failed(error)),
        }
    }

    /// The commit of the source that a commit on one of our branches promotes; `None` when it is
    /// none of ours.
    pub(crate) async fn source_of(
        &self,
        commit: &github::Commit,
    ) -> Result<Option<CommitSha>, PromotionError> {
        if commit.trailer(TARGET) == Some(self.plan.to.as_str())
            && let Some(source) = commit.trailer(SOURCE)
        {
            return Ok(source.parse().ok());
        }
        let (from, sha) = (self.plan.from.as_str(), commit.sha.as_str());
        let beside = self.forge.distance(from, sha).await;
        let beside = beside.map_err(|error| self.failed(error))?;
        Ok((beside.ahead_by == 0).then(|| commit.sha.clone()))
    }

    /// Whether a commit of the source came after the planned one.
    pub(crate) async fn is_newer(&self, source: &CommitSha) -> Result<bool, PromotionError> {
        if *source == self.plan.commit {
            return Ok(false);
        }
        let (ours, theirs) = (self.plan.commit.as_str(), source.as_str());
        let beside = self.forge.distance(ours, theirs).await;
        Ok(beside.map_err(|error| self.failed(error))?.ahead_by > 0)
    }
}
