use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use github::{
    CommitSha, GithubError, PullRequest, PullRequestDetails, PullRequestFilter, PullRequestUpdate,
};
use jiff::Timestamp;
use registry_model::ProcessorRef;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::branch::{self, Content};
use crate::{
    Admission, Bypass, Evidence, Forge, PromotionError, PromotionPlan, PromotionReport,
    PullRequestLink, Rule, Rules, admit, edits, gate, text, tidy,
};

/// How often everything is read again when others write at the same time.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// How to carry out a promotion.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Merge the request, instead of leaving that to people.
    pub merge: bool,
    /// What is promoted.
    pub scope: Scope,
    /// What the [gate](gate()) said.
    pub admissions: Vec<Admission>,
    /// Who takes the responsibility for what the gate does not let through.
    pub bypass: Option<Bypass>,
    /// The rules of the target that a merge of everything changes, each by its name. Only people
    /// should merge that, or somebody who takes the responsibility.
    pub rules_changed: Vec<String>,
    /// What a merge of everything takes from the target.
    pub losses: BTreeMap<ProcessorRef, Loss>,
    /// What people should know besides, for the report.
    pub notices: Vec<String>,
}

/// How the target loses a processor: the source gave it up since both had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its registry file is gone.
    Removed,
    /// It is disabled.
    Disabled,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "is removed by this",
            Self::Disabled => "is disabled by this",
        })
    }
}

/// What is promoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything: the planned commit is merged.
    All {
        /// Whether pins that the target changed by itself, and the source after it, are to be
        /// those of the source. Without it, git calls that a conflict. It is safe only where the
        /// target has changed nothing else.
        join: bool,
    },
    /// These processors: their pins are changed on top of the target.
    Some(BTreeSet<ProcessorRef>),
}

impl Default for Scope {
    fn default() -> Self {
        Self::All { join: false }
    }
}

pub(crate) enum Step<T> {
    Done(T),
    /// Others wrote at the same time: all must be read again.
    Again,
}

pub(crate) struct Run<'a, F> {
    pub(crate) plan: &'a PromotionPlan,
    pub(crate) options: &'a RunOptions,
    pub(crate) forge: &'a F,
    pub(crate) branch: String,
}

/// Carries out `plan`: one pull request to the target's branch, from a branch of its own that
/// carries exactly what was planned, whatever happens to the source meanwhile; merged at once if
/// [`RunOptions::merge`] says so. An empty plan changes nothing.
///
/// There is one request for everything, and one for each choice of processors. Running it again
/// takes the request that is there; a newer plan brings it forward, and an older one leaves it.
///
/// # Errors
/// [`PromotionError::Refused`] when something may not go, [`PromotionError::Moved`] when a newer
/// plan was carried out or, for some processors, the target is no longer at the planned commit:
/// plan again. [`PromotionError::Reverted`] when there is no commit to merge; also when GitHub
/// refuses (a conflict, a missing review or check) or the caller cancels. What goes wrong after the
/// merge is among the notices of the report.
pub async fn run<F: Forge>(
    plan: &PromotionPlan,
    options: &RunOptions,
    forge: &F,
    cancel: &CancellationToken,
) -> Result<PromotionReport, PromotionError> {
    let mut report = PromotionReport::judged(plan, options);
    admit(plan, &built(plan), None)?;
    admit(plan, &options.admissions, options.bypass.as_ref())?;
    let run = Run {
        plan,
        options,
        forge,
        branch: match &options.scope {
            Scope::All { .. } => branch::of_all(plan),
            Scope::Some(chosen) => branch::of_some(plan, chosen),
        },
    };
    let cancelled = || PromotionError::Cancelled {
        from: plan.from.clone(),
        to: plan.to.clone(),
    };
    if !plan.is_empty() {
        let done = cancel.run_until_cancelled(run.carry_out()).await;
        let (request, merged) = done.ok_or_else(cancelled)??;
        report.pull_request = Some(PullRequestLink {
            number: request.number,
            url: request.url,
        });
        report.merged = merged;
    }
    if plan.is_empty() || options.merge {
        let done = cancel.run_until_cancelled(run.tidy()).await;
        match done.unwrap_or_else(|| Err(cancelled())) {
            Ok(notices) => report.notices.extend(notices),
            // Whoever asks must be told what was merged, whatever came after it.
            Err(error) if report.merged.is_some() => report.notices.push(format!(
                "requests and branches that have nothing to give any more stay: {}",
                tidy::cause(&error)
            )),
            Err(error) => return Err(error),
        }
    }
    report.ended_at = Timestamp::now();
    Ok(report)
}

/// What was never built goes nowhere, whoever asks and without any rules.
fn built(plan: &PromotionPlan) -> Vec<Admission> {
    let mut all = gate(plan, &Rules::default(), &Evidence::default());
    for admission in &mut all {
        admission.why_not.retain(|why| why.rule == Rule::Built);
    }
    all
}

impl<F: Forge> Run<'_, F> {
    async fn carry_out(&self) -> Result<(PullRequest, Option<CommitSha>), PromotionError> {
        for attempt in 1..=ATTEMPTS {
            if let Step::Done(done) = self.attempt().await? {
                return Ok(done);
            }
            tracing::debug!(attempt, "others write at the same time, reading again");
            tokio::time::sleep(PAUSE * attempt).await;
        }
        Err(PromotionError::Contended {
            from: self.plan.from.clone(),
            to: self.plan.to.clone(),
            branch: self.branch.clone(),
            attempts: ATTEMPTS,
        })
    }

    async fn attempt(&self) -> Result<Step<(PullRequest, Option<CommitSha>)>, PromotionError> {
        let (plan, scope) = (self.plan, &self.options.scope);
        let files = match scope {
            Scope::All { .. } => Vec::new(),
            Scope::Some(_) => {
                let to = plan.to.as_str();
                let now = self.forge.head_of(to).await;
                let now = now.map_err(|error| self.failed(error))?;
                if let Some(now) = now.filter(|now| *now != plan.target) {
                    return Err(self.moved(to, &plan.target, now));
                }
                edits::files(plan, self.forge).await?
            }
        };
        let content = Content::of(plan, scope, files);
        let head = match self.place(&content).await? {
            Step::Done(head) => head,
            Step::Again => return Ok(Step::Again),
        };
        let Step::Done(request) = self.request(&head).await? else {
            return Ok(Step::Again);
        };
        if !self.options.merge {
            return Ok(Step::Done((request, None)));
        }
        match self.forge.merge(&request).await {
            Ok(merged) => {
                self.say(&format!("merged as {}", merged.short()));
                Ok(Step::Done((request, Some(merged))))
            }
            Err(GithubError::Moved { .. }) => Ok(Step::Again),
            Err(error) => Err(self.overtaken(error).await),
        }
    }

    /// Perhaps another run has promoted the same in this very moment: then the target has moved, and
    /// that is why.
    async fn overtaken(&self, error: GithubError) -> PromotionError {
        let (plan, to) = (self.plan, self.plan.to.as_str());
        if error.is_cancelled() {
            return self.failed(error);
        }
        let now = self.forge.head_of(to).await.ok().flatten();
        let Some(now) = now.filter(|now| *now != plan.target) else {
            return self.failed(error);
        };
        let head = match self.options.scope {
            Scope::All { .. } => plan.commit.as_str(),
            // Its commit is on top of the target: whatever moved that is a reason to plan again.
            Scope::Some(_) => return self.moved(to, &plan.target, now),
        };
        match self.forge.distance(now.as_str(), head).await {
            Ok(beside) if beside.ahead_by == 0 => self.moved(to, &plan.target, now),
            _ => self.failed(error),
        }
    }

    /// The open request from our branch, which says what is on it.
    async fn request(&self, head: &CommitSha) -> Result<Step<PullRequest>, PromotionError> {
        let wanted = text::pull_request(self.plan, self.options, &self.branch);
        let failed = |error| self.failed(error);
        let mut open = self.open(Some(&self.branch)).await?;
        let request = match open.pop() {
            Some(open) if (&open.title, &open.body) == (&wanted.title, &wanted.body) => {
                open.request
            }
            Some(open) => {
                let update = PullRequestUpdate {
                    title: Some(wanted.title),
                    body: Some(wanted.body),
                };
                let number = open.request.number;
                let now = self.forge.rewrite(number, &update).await;
                now.map_err(failed)?.request
            }
            None => match self.forge.open(&wanted).await {
                Ok(request) => request,
                Err(GithubError::AlreadyExists { .. }) => return Ok(Step::Again),
                Err(error) => {
                    if let GithubError::Unchanged { .. } = error {
                        // There is nothing to merge.
                        let dropped = self.forge.drop_branch(&self.branch, head).await;
                        dropped.map_err(failed)?;
                    }
                    return Err(self.overtaken(error).await);
                }
            },
        };
        let (from, to) = (&self.plan.from, &self.plan.to);
        self.say(&format!(
            "pull request {} promotes {from} to {to}",
            request.number
        ));
        Ok(Step::Done(PullRequest {
            head_sha: head.clone(),
            ..request
        }))
    }

    /// The open requests to the target, from one branch or from all.
    pub(crate) async fn open(
        &self,
        head: Option<&str>,
    ) -> Result<Vec<PullRequestDetails>, PromotionError> {
        let filter = PullRequestFilter {
            open: true,
            head: head.map(str::to_owned),
            base: Some(self.plan.to.to_string()),
            pages: 1,
        };
        let found = self.forge.requests(&filter).await;
        found.map_err(|error| self.failed(error))
    }

    pub(crate) fn say(&self, text: &str) {
        info!(target: "pipeline::progress", stage = "promote", item = %self.plan.to, "{text}");
    }

    pub(crate) fn failed(&self, source: GithubError) -> PromotionError {
        let (from, to) = (self.plan.from.clone(), self.plan.to.clone());
        match source {
            GithubError::Unchanged { .. } => PromotionError::Reverted { from, to },
            source => PromotionError::Github { from, to, source },
        }
    }

    pub(crate) fn moved(
        &self,
        branch: &str,
        planned: &CommitSha,
        found: CommitSha,
    ) -> PromotionError {
        PromotionError::Moved {
            from: self.plan.from.clone(),
            to: self.plan.to.clone(),
            branch: branch.to_owned(),
            planned: planned.clone(),
            found,
        }
    }
}
