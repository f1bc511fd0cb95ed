use std::path::PathBuf;

use futures_util::{StreamExt, stream};
use registry_model::{Digest, PinnedImage};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::cli::Invocation;
use super::ledger::Stop;
use super::log::{self, Log};
use super::plan::PlannedApp;
use super::steps::Step;
use super::work::{Order, Work};
use crate::ModalError;
use crate::client::AppState;
use crate::record::{Change, Mark};
use crate::report::{Deployed, seconds};

/// How many apps are worked on side by side. Fewer of them are deployed at a time: that is Python
/// on this machine, and all else is waiting for Modal.
const AT_ONCE: usize = 16;

/// What became of one app.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How it ended.
    pub(crate) deployed: Deployed,
    /// The version that is live by what this run did, or found to be right.
    pub(crate) version: Option<u32>,
    /// Modal's id of the image that it runs in.
    pub(crate) image_id: Option<String>,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// Why it failed.
    pub(crate) error: Option<ModalError>,
    /// The last lines of `modal deploy`, if it was started.
    pub(crate) said: Vec<String>,
    /// Where all of it is.
    pub(crate) log: Option<PathBuf>,
    /// The digest at which a person has held it since the run began.
    pub(crate) held: Option<Digest>,
}

impl Outcome {
    fn of(deployed: Deployed, version: Option<u32>) -> Self {
        Self {
            deployed,
            version,
            image_id: None,
            seconds: 0.0,
            error: None,
            said: Vec::new(),
            log: None,
            held: None,
        }
    }
}

/// What is live after one step.
struct Done {
    deployed: Deployed,
    version: Option<u32>,
    image_id: Option<String>,
    /// What is wrong with it nevertheless.
    wrong: Option<ModalError>,
    held: Option<Digest>,
}

impl Work<'_> {
    /// Does what has to be done about each app; the answers are in the order of the plan. One that
    /// fails does not stop the others. Those that use one of the secrets in `unwritten` fail.
    pub(crate) async fn execute(&self, unwritten: &[String]) -> Vec<Outcome> {
        let at_once = self.order.options.deploy.at_once.get();
        let running = Semaphore::new(at_once);
        // What waits for Python must not keep others from waiting for Modal.
        let mut order: Vec<usize> = (0..self.steps.apps.len()).collect();
        order.sort_by_key(|index| self.steps.apps[*index].step);
        let mut outcomes: Vec<(usize, Outcome)> = stream::iter(order)
            .map(async |index| {
                let deploys = self.steps.apps[index].step == Step::Deploy;
                // It is never closed, so that there is always one to be had.
                let _one = match deploys {
                    true => running.acquire().await.ok(),
                    false => None,
                };
                // Boxed, as what it holds is large and there may be many.
                (index, Box::pin(self.one(index, unwritten)).await)
            })
            .buffer_unordered(AT_ONCE.max(at_once))
            .collect()
            .await;
        outcomes.sort_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    async fn one(&self, index: usize, unwritten: &[String]) -> Outcome {
        let step = &self.steps.apps[index];
        let app = &self.order.plan.apps[index];
        let mut lacking = app.tool_secrets.clone();
        lacking.retain(|name| unwritten.contains(name));
        if step.step != Step::Held && !lacking.is_empty() {
            let error = match self.order.cancel.is_cancelled() {
                true => ModalError::Cancelled {
                    what: format!("deploy `{}`", app.app),
                },
                false => ModalError::SecretsNotWritten {
                    app: app.app.clone(),
                    environment: self.order.plan.environment.clone(),
                    secrets: lacking,
                },
            };
            return Outcome {
                error: Some(error),
                ..Outcome::of(Deployed::Failed, None)
            };
        }
        match step.step {
            Step::Held => Outcome::of(Deployed::Held, step.version),
            Step::Current | Step::Smoke => Outcome::of(Deployed::Current, step.version),
            Step::Rollover => self.timed(index, false).await,
            Step::Deploy => self.timed(index, true).await,
        }
    }

    /// Deploys an app, or rolls it over, and tells of it.
    pub(super) async fn timed(&self, index: usize, deploy: bool) -> Outcome {
        let app = &self.order.plan.apps[index];
        let started = Instant::now();
        let folder = self.order.options.deploy.logs.as_deref();
        let log = Log::new(log::path(folder, &app.app));
        let done = match deploy {
            true => self.deploy(app, index, &log).await,
            false => self.roll_over(app, index, &log).await,
        };
        let mut outcome = match done {
            Ok(done) => Outcome {
                image_id: done.image_id,
                error: done.wrong,
                held: done.held,
                ..Outcome::of(done.deployed, done.version)
            },
            Err(error) => Outcome {
                error: Some(error),
                ..Outcome::of(Deployed::Failed, None)
            },
        };
        match outcome.error {
            Some(ModalError::Superseded { .. }) => outcome.deployed = Deployed::Superseded,
            Some(_) => outcome.deployed = Deployed::Failed,
            None => {}
        }
        outcome.seconds = seconds(started.elapsed());
        (outcome.said, outcome.log) = log.end();
        announce(app, &outcome);
        outcome
    }

    async fn deploy(&self, app: &PlannedApp, index: usize, log: &Log) -> Result<Done, ModalError> {
        let Order { plan, .. } = self.order;
        if let Some(stop) = self.stop(app).await? {
            return self.leave(app, stop).await;
        }
        tracing::info!(target: "pipeline::progress", stage = "deploy", item = %app.app,
            "deploying {} to {}", app.image.digest.short(), plan.environment);
        let before = self.live(app).await?;
        let live = before.as_ref().and_then(|before| before.version);
        let former = self.ledger.mark(&app.app).await;
        let former = former.filter(|mark| Some(mark.version) == live);
        let image_before = match &former {
            Some(mark) if mark.digest != app.image.digest => self.image_id(app, live).await,
            _ => None,
        };
        let tag = self.tag(&app.image.digest);
        self.start_modal(app, &app.image, &tag, log).await?;
        let after = self.must_be_live(app).await?;
        let before = before.filter(|before| before.app_id == after.app_id && live.is_some());
        let unchanged = before.is_some() && live == after.version;
        let read_back = self.read_back(app, &tag, before.as_ref(), &after).await;
        if let Some(stop) = self.stop(app).await? {
            // What is live and not ours is theirs to whom this app is left.
            if let Ok(ours) = &read_back
                && !unchanged
            {
                self.give_way(app, ours, &stop).await?;
            }
            return self.leave(app, stop).await;
        }
        let after = read_back?;
        let image_id = self.image_id(app, after.version).await;
        if image_id.is_some() && image_id == image_before {
            let image = image_before.as_deref().unwrap_or_default();
            let problem = format!("its image is still {image}, although the digest changed");
            return Ok(Done {
                deployed: Deployed::Failed,
                version: after.version,
                wrong: Some(self.read_back_error(app, problem)),
                image_id: image_before,
                held: None,
            });
        }
        // Modal skips a deploy that changes nothing, and then the old containers stay, with the
        // secrets that they were started with.
        if unchanged && !self.knows_secrets(app, index, former.as_ref()) {
            let after = self.new_containers(app, &after).await?;
            return self
                .done(app, index, Deployed::RolledOver, &after, image_id)
                .await;
        }
        let deployed = match unchanged {
            true => Deployed::Unchanged,
            false => Deployed::Deployed,
        };
        self.done(app, index, deployed, &after, image_id).await
    }

    async fn roll_over(
        &self,
        app: &PlannedApp,
        index: usize,
        log: &Log,
    ) -> Result<Done, ModalError> {
        if let Some(stop) = self.stop(app).await? {
            return self.leave(app, stop).await;
        }
        let before = self.must_be_live(app).await?;
        if before.version != self.steps.apps[index].version {
            // What would get new containers is somebody else's by now.
            return self.deploy(app, index, log).await;
        }
        let after = self.new_containers(app, &before).await?;
        if let Some(stop) = self.stop(app).await? {
            return self.leave(app, stop).await;
        }
        let image_id = self.image_id(app, after.version).await;
        self.done(app, index, Deployed::RolledOver, &after, image_id)
            .await
    }

    pub(super) async fn stop(&self, app: &PlannedApp) -> Result<Option<Stop>, ModalError> {
        let (ledger, digest) = (&self.ledger, &app.image.digest);
        ledger.stop(&app.app, digest, self.order.cancel).await
    }

    /// Leaves an app to whoever has a better claim to it.
    async fn leave(&self, app: &PlannedApp, stop: Stop) -> Result<Done, ModalError> {
        match stop {
            Stop::Newer(newer) => Err(self.ledger.superseded(&app.app, &newer)),
            Stop::Held(digest) => Ok(Done {
                deployed: Deployed::Held,
                version: self.live(app).await?.and_then(|live| live.version),
                image_id: None,
                wrong: None,
                held: Some(digest),
            }),
        }
    }

    /// Records what is live.
    async fn done(
        &self,
        app: &PlannedApp,
        index: usize,
        deployed: Deployed,
        after: &AppState,
        image_id: Option<String>,
    ) -> Result<Done, ModalError> {
        if let Some(version) = after.version {
            let prints = &self.prints.apps[index];
            let mark = Mark {
                version,
                digest: app.image.digest.clone(),
                deploy: prints.deploy.clone(),
                secrets: prints.secrets.clone(),
                smoked: false,
            };
            let changes = [Change::Mark(app.app.clone(), mark)];
            self.ledger.note(&changes, self.order.cancel).await;
        }
        Ok(Done {
            deployed,
            version: after.version,
            image_id,
            wrong: None,
            held: None,
        })
    }

    pub(super) async fn start_modal(
        &self,
        app: &PlannedApp,
        image: &PinnedImage,
        tag: &str,
        log: &Log,
    ) -> Result<(), ModalError> {
        let Order {
            control,
            plan,
            secrets,
            options,
            cancel,
        } = self.order;
        let invocation = Invocation {
            root: &options.deploy.repository,
            file: &self.file,
            environment: &plan.environment,
            app,
            image,
            tag,
            registry_secret: &self.shared.registry_secret,
            timeout: options.deploy.timeout,
        };
        log.open()?;
        let (log, name) = (log.clone(), app.app.clone());
        let on_line = move |_, line: &str| {
            tracing::debug!(app = %name, "{line}");
            log.line(line);
        };
        let modal = self.modal().await?;
        modal
            .deploy(&invocation, secrets, control.options(), on_line, cancel)
            .await
    }

    /// New containers for what is live, and what is live then: the version after `before`.
    async fn new_containers(
        &self,
        app: &PlannedApp,
        before: &AppState,
    ) -> Result<AppState, ModalError> {
        let Order {
            control,
            plan,
            cancel,
            ..
        } = self.order;
        tracing::info!(target: "pipeline::progress", stage = "deploy", item = %app.app,
            "rolling over, as its secrets changed");
        control
            .rollover(&plan.environment, &app.app, cancel)
            .await?;
        let after = self.must_be_live(app).await?;
        let next = before.version.map(|version| version.saturating_add(1));
        if before.version.is_some() && after.version > next {
            let problem = "somebody else deployed it in the meantime".to_owned();
            return Err(self.read_back_error(app, problem));
        }
        Ok(after)
    }

    pub(super) async fn must_be_live(&self, app: &PlannedApp) -> Result<AppState, ModalError> {
        self.live(app).await?.ok_or_else(|| ModalError::NotLive {
            app: app.app.clone(),
            environment: self.order.plan.environment.clone(),
        })
    }

    /// Whether the containers of what `former` speaks of have the secrets that they should.
    fn knows_secrets(&self, app: &PlannedApp, index: usize, former: Option<&Mark>) -> bool {
        let written = |name: &String| {
            let mut steps = self.steps.secrets.iter();
            steps.any(|step| step.name == *name && step.write.is_some())
        };
        former.is_some_and(|mark| mark.secrets == self.prints.apps[index].secrets)
            && !app.tool_secrets.iter().any(written)
    }
}

fn announce(app: &PlannedApp, outcome: &Outcome) {
    let version = outcome
        .version
        .map_or(String::new(), |version| format!(", version {version}"));
    let text = match (&outcome.error, outcome.deployed) {
        (Some(error), _) if error.is_cancelled() => "interrupted".to_owned(),
        (_, Deployed::Superseded) => "left to the newer run".to_owned(),
        (None, Deployed::Held) => format!("held by a person meanwhile{version}"),
        (_, Deployed::Deployed) => format!("deployed in {:.1} s{version}", outcome.seconds),
        (_, Deployed::RolledOver) => format!("rolled over{version}"),
        (_, Deployed::Unchanged) => format!("live already{version}"),
        _ => format!("failed after {:.1} s", outcome.seconds),
    };
    tracing::info!(target: "pipeline::progress", stage = "deploy", item = %app.app, "{text}");
}
