use tokio_util::sync::CancellationToken;

use crate::deploy::{
    AppStep, DeployPlan, Now, OnFailure, Order, Outcome, RunOptions, Step, Steps, Work, held,
};
use crate::error::chain;
use crate::record::{Change, Mark};
use crate::report::{AppReport, DeployReport, Deployed, LiveApp, RollbackReport};
use crate::secrets::{SecretOutcome, SecretPlan, SyncReport};
use crate::smoke::{self, SmokeOptions, SmokeReport, Target, Verdict};
use crate::{Control, ModalError};

/// How often an app is deployed again that somebody else deploys at the same time.
const ROUNDS: usize = 2;

/// Says what [`run`] would do, and why. Changes nothing.
///
/// # Errors
/// [`ModalError::AppFile`], [`ModalError::Code`], [`ModalError::EnvironmentMissing`],
/// [`ModalError::Rpc`], [`ModalError::Cancelled`].
pub async fn decide(
    control: &Control,
    plan: &DeployPlan,
    secrets: &SecretPlan,
    options: &RunOptions,
    cancel: &CancellationToken,
) -> Result<Steps, ModalError> {
    let order = Order {
        control,
        plan,
        secrets,
        options,
        cancel,
    };
    Ok(Work::decide(order).await?.steps)
}

/// Brings a plan to its environment: secrets, deploys, smokes, in this order, and of these only
/// what has to be done.
///
/// Nothing is written before it is known what has to be done, and that the images and the Modal
/// command line are there, if they are needed. From then on, what fails is told in the report
/// ([`DeployReport::class`]), and so is a cancellation, because the report says what is live by
/// then. Running it again goes on where this run ended.
///
/// # Errors
/// What stops everything before the first deploy.
pub async fn run(
    control: &Control,
    plan: &DeployPlan,
    secrets: &SecretPlan,
    options: &RunOptions,
    cancel: &CancellationToken,
) -> Result<DeployReport, ModalError> {
    for warning in &secrets.warnings {
        tracing::warn!("{warning}");
    }
    let order = Order {
        control,
        plan,
        secrets,
        options,
        cancel,
    };
    // Boxed, as each of these holds a lot, and callers have several of them at once.
    let mut work = Box::pin(Work::decide(order)).await?;
    let synced = Box::pin(work.begin()).await?;
    let mut run = Run {
        apps: Vec::new(),
        interrupted: synced.interrupted,
    };
    for outcome in Box::pin(work.execute(&unwritten(&synced))).await {
        run.apps.push(App {
            outcome,
            smoke: None,
            rollback: None,
        });
    }
    let all: Vec<usize> = (0..run.apps.len()).collect();
    run.smoke(&work, &all, options.smoke.as_ref()).await;
    Box::pin(run.go_back(&work)).await;
    let now = Box::pin(run.settle(&mut work)).await;
    Ok(run.report(&work, synced, now))
}

/// The secrets of which nobody knows what Modal has.
fn unwritten(synced: &SyncReport) -> Vec<String> {
    let unwritten = synced.secrets.iter().filter(|secret| {
        matches!(
            secret.outcome,
            SecretOutcome::Failed | SecretOutcome::Interrupted
        )
    });
    unwritten.map(|secret| secret.name.clone()).collect()
}

/// What is known about each app so far.
struct Run {
    apps: Vec<App>,
    interrupted: bool,
}

struct App {
    outcome: Outcome,
    smoke: Option<SmokeReport>,
    rollback: Option<RollbackReport>,
}

impl App {
    fn is_live(&self) -> bool {
        matches!(
            self.outcome.deployed,
            Deployed::Deployed | Deployed::Unchanged | Deployed::RolledOver | Deployed::Current
        )
    }

    fn failed_smoke(&self) -> bool {
        let smoke = self.smoke.as_ref();
        smoke.is_some_and(|smoke| smoke.verdict == Verdict::Failed)
    }
}

impl Run {
    /// Smokes those of these apps that are live and never passed at their version, and records
    /// which passed.
    async fn smoke(&mut self, work: &Work<'_>, apps: &[usize], smoke: Option<&SmokeOptions>) {
        let Order {
            control,
            plan,
            secrets,
            cancel,
            ..
        } = work.order;
        let Some(smoke) = smoke else {
            return;
        };
        let due: Vec<usize> = apps
            .iter()
            .copied()
            .filter(|index| {
                self.apps[*index].is_live() && work.steps.apps[*index].step != Step::Current
            })
            .collect();
        let targets: Vec<Target> = due
            .iter()
            .map(|index| {
                let app = &plan.apps[*index];
                Target {
                    reference: app.reference.clone(),
                    app: app.app.clone(),
                    image: app.image.clone(),
                    version: self.apps[*index].outcome.version,
                    smoke: app.smoke.clone(),
                }
            })
            .collect();
        let mut redactor = secrets.redactor();
        redactor.add(&control.options().token_secret);
        let environment = &plan.environment;
        let replies = smoke::run(control, environment, &targets, smoke, &redactor, cancel).await;
        let mut passed = Vec::new();
        for (index, reply) in due.into_iter().zip(replies) {
            let app = &plan.apps[index].app;
            match reply {
                Ok(report) => {
                    let mark = work.ledger.mark(app).await;
                    let version = self.apps[index].outcome.version;
                    if report.verdict == Verdict::Passed
                        && let Some(mark) = mark.filter(|mark| Some(mark.version) == version)
                    {
                        let smoked = true;
                        passed.push(Change::Mark(app.clone(), Mark { smoked, ..mark }));
                    }
                    self.apps[index].smoke = Some(report);
                }
                Err(_) => {
                    self.interrupted = true;
                    self.apps[index].smoke = Some(SmokeReport::skipped("interrupted"));
                }
            }
        }
        work.ledger.note(&passed, cancel).await;
    }

    /// Puts back what failed, if the caller wants that.
    async fn go_back(&mut self, work: &Work<'_>) {
        let Order {
            options, cancel, ..
        } = work.order;
        if options.on_failure != OnFailure::Rollback || cancel.is_cancelled() {
            return;
        }
        for (index, app) in self.apps.iter_mut().enumerate() {
            let failed = app.outcome.deployed == Deployed::Failed || app.failed_smoke();
            // New containers for what was there before are no other version of it.
            let same = app.outcome.deployed == Deployed::RolledOver;
            if !failed || same || work.steps.apps[index].step != Step::Deploy {
                continue;
            }
            let to = work.steps.apps[index].version;
            app.rollback = match work.go_back(index, &app.outcome).await {
                Ok(None) => None,
                Ok(Some(restored)) => Some(RollbackReport {
                    to,
                    means: Some(restored.means),
                    digest: restored.digest,
                    version: restored.version,
                    error: None,
                }),
                Err(error) => Some(RollbackReport {
                    to,
                    means: None,
                    digest: None,
                    version: None,
                    error: Some(redact(work, &chain(&error))),
                }),
            };
            if let Some(rollback) = &app.rollback {
                tracing::info!(target: "pipeline::progress", stage = "deploy",
                    item = %work.order.plan.apps[index].app, "{rollback}");
            }
        }
    }

    /// Looks at what is live at the end. What this run left in order and is something else by now
    /// is deployed again.
    async fn settle(&mut self, work: &mut Work<'_>) -> Vec<Option<Now>> {
        for round in 0.. {
            let outcomes: Vec<&Outcome> = self.apps.iter().map(|app| &app.outcome).collect();
            let settled = async {
                let now = work.now(work.order.cancel).await?;
                let lost = work.lost(&outcomes, &now).await?;
                Ok::<_, ModalError>((now, lost))
            };
            let (now, mut lost) = match settled.await {
                Ok(settled) => settled,
                Err(error) if error.is_cancelled() => {
                    self.interrupted = true;
                    return work.last_look(&outcomes).await;
                }
                Err(error) => {
                    tracing::warn!("failed to look at what is live: {}", chain(&error));
                    // Then what runs now is not for us to say.
                    return vec![Some(Now::default()); outcomes.len()];
                }
            };
            // What failed is not deployed again, and what was put back is not what was deployed.
            lost.retain(|index| {
                !self.apps[*index].failed_smoke() && self.apps[*index].rollback.is_none()
            });
            if lost.is_empty() {
                return now;
            }
            for index in &lost {
                let live = now[*index].as_ref();
                let app = &mut self.apps[*index];
                if round == ROUNDS {
                    app.outcome.error = Some(work.give_up(*index, live));
                    app.outcome.deployed = Deployed::Failed;
                } else {
                    app.outcome = work.again(*index, live).await;
                    app.smoke = None;
                }
            }
            if round == ROUNDS {
                return now;
            }
            // The budget of the canaries is that of the whole run.
            let smoke = work.order.options.smoke.clone();
            let smoke = smoke.map(|smoke| SmokeOptions {
                canary: None,
                ..smoke
            });
            self.smoke(work, &lost, smoke.as_ref()).await;
        }
        Vec::new()
    }

    fn report(self, work: &Work<'_>, secrets: SyncReport, now: Vec<Option<Now>>) -> DeployReport {
        let mut interrupted = self.interrupted;
        let mut apps = Vec::new();
        for (index, (app, now)) in self.apps.into_iter().zip(now).enumerate() {
            let step = &work.steps.apps[index];
            let error = app.outcome.error.as_ref();
            interrupted |= error.is_some_and(ModalError::is_cancelled);
            let smoke = app.smoke.unwrap_or_else(|| {
                SmokeReport::skipped(match app.outcome.deployed {
                    _ if work.order.options.smoke.is_none() => "not asked for",
                    Deployed::Current => "it passed before",
                    Deployed::Held => "it is held",
                    _ => "it is not deployed",
                })
            });
            apps.push(AppReport {
                reference: step.reference.clone(),
                app: step.app.clone(),
                image: step.image.clone(),
                step: step.step,
                why: why(step, &app.outcome),
                deployed: app.outcome.deployed,
                tried: error.is_none_or(was_tried),
                version_before: step.version,
                version: app.outcome.version,
                image_id: app.outcome.image_id,
                seconds: app.outcome.seconds,
                smoke,
                rollback: app.rollback,
                error: error.map(|error| redact(work, &told(error, &app.outcome.said))),
                hint: error.and_then(ModalError::hint),
                log: app.outcome.log,
                live: now.map(|now| LiveApp {
                    version: now.version,
                    digest: now.digest,
                }),
            });
        }
        DeployReport {
            schema: 1,
            ended_at: jiff::Timestamp::now(),
            environment: work.order.plan.environment.clone(),
            secrets,
            apps,
            interrupted,
        }
    }
}

/// Why something was to be done, and why it was not.
fn why(step: &AppStep, outcome: &Outcome) -> Vec<String> {
    let held = outcome.held.iter().map(held);
    held.chain(step.why.iter().cloned()).collect()
}

/// Whether an error says something of what was deployed.
fn was_tried(error: &ModalError) -> bool {
    !error.is_cancelled() && !matches!(error, ModalError::SecretsNotWritten { .. })
}

/// An error with its causes; where it does not say what the program said last, that too.
fn told(error: &ModalError, said: &[String]) -> String {
    let text = chain(error);
    let timed_out = matches!(error, ModalError::Cli { source, .. }
        if matches!(**source, process::ProcessError::TimedOut { .. }));
    match timed_out && !said.is_empty() {
        true => format!("{text}\n{}", said.join("\n")),
        false => text,
    }
}

fn redact(work: &Work<'_>, text: &str) -> String {
    let mut redactor = work.order.secrets.redactor();
    redactor.add(&work.order.control.options().token_secret);
    redactor.apply(text)
}
