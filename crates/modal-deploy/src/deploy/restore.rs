//! Putting an earlier version of an app back in place.

use registry_model::Digest;
use serde::{Deserialize, Serialize};

use super::execute::Outcome;
use super::ledger::Stop;
use super::log::{self, Log};
use super::plan::PlannedApp;
use super::prints;
use super::steps::held;
use super::work::{Order, Work};
use crate::ModalError;
use crate::audit::{Live, digits};
use crate::client::AppState;
use crate::fingerprint::Fingerprint;
use crate::record::{Change, Mark};

/// By which means an earlier version came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// Modal's own rollback: the functions and images of that version.
    Native,
    /// The digest of that version, deployed once more with today's code.
    Redeploy,
}

/// An earlier version that is live again.
#[derive(Clone, Debug)]
pub(crate) struct Restored {
    pub(crate) means: Means,
    /// What it is called now.
    pub(crate) version: Option<u32>,
    pub(crate) digest: Option<Digest>,
}

/// The version of an app that should come back.
struct Earlier {
    /// `None` where Modal does not list one.
    version: Option<u32>,
    digest: Option<Digest>,
    /// What is known about it.
    mark: Option<Mark>,
    /// Of the values that its secrets have now.
    secrets: Option<Fingerprint>,
}

impl Work<'_> {
    /// Puts an app whose deploy or smoke failed back to the version that was live before; `None`
    /// when that is live still.
    pub(crate) async fn go_back(
        &self,
        index: usize,
        outcome: &Outcome,
    ) -> Result<Option<Restored>, ModalError> {
        let app = &self.order.plan.apps[index];
        let before = self.steps.apps[index].version;
        let live = self.live(app).await?.and_then(|live| live.version);
        if live == before {
            return Ok(None);
        }
        let stuck = |problem: &str| Err(self.read_back_error(app, problem.to_owned()));
        let Some(version) = before else {
            return stuck("there is no version before this one to go back to");
        };
        match self.stop(app).await? {
            None => {}
            Some(Stop::Newer(newer)) => return Err(self.ledger.superseded(&app.app, &newer)),
            Some(Stop::Held(digest)) => {
                return stuck(&held(&digest));
            }
        }
        let ours = match outcome.version {
            Some(version) => live == Some(version),
            None => self.is_tagged_by_us(app, live).await?,
        };
        if !ours {
            return stuck("somebody else deployed it in the meantime");
        }
        let mark = self.former[index].clone();
        let mark = mark.filter(|mark| mark.version == version);
        let earlier = Earlier {
            version: Some(version),
            digest: mark.as_ref().map(|mark| mark.digest.clone()),
            mark,
            secrets: Some(self.prints.apps[index].secrets.clone()),
        };
        self.restore(app, earlier).await.map(Some)
    }

    /// While this run deployed `app`, a newer run began, or a person held the app. What that run has
    /// deployed, or found to be right, comes back; where it has done neither yet, it will. What the
    /// person holds comes back in any case, as nobody else takes care of it.
    ///
    /// # Errors
    /// When what is held cannot come back.
    pub(super) async fn give_way(
        &self,
        app: &PlannedApp,
        ours: &AppState,
        stop: &Stop,
    ) -> Result<(), ModalError> {
        let back = async {
            if self.live(app).await?.and_then(|live| live.version) != ours.version {
                return Ok(None);
            }
            match self.wanted(app, ours, stop).await? {
                Some(earlier) => self.restore(app, earlier).await.map(Some),
                None => Ok(None),
            }
        };
        match (back.await, stop) {
            (Ok(Some(restored)), _) => tracing::info!(target: "pipeline::progress",
                stage = "deploy", item = %app.app, "put back what {}{}",
                match stop {
                    Stop::Newer(_) => "the newer run counts on",
                    Stop::Held(_) => "a person holds",
                },
                restored.version.map_or(String::new(), |version| format!(", version {version}"))),
            (Ok(None), _) => {}
            (Err(error), Stop::Held(_)) => return Err(error),
            (Err(error), Stop::Newer(_)) => tracing::warn!(
                "failed to put back what the newer run counts on: {}",
                crate::error::chain(&error)
            ),
        }
        Ok(())
    }

    /// What should be live in place of `ours`.
    async fn wanted(
        &self,
        app: &PlannedApp,
        ours: &AppState,
        stop: &Stop,
    ) -> Result<Option<Earlier>, ModalError> {
        let mark = self.ledger.mark(&app.app).await;
        let mark = mark.filter(|mark| Some(mark.version) != ours.version);
        let Stop::Held(digest) = stop else {
            return Ok(mark.map(|mark| Earlier {
                version: Some(mark.version),
                digest: Some(mark.digest.clone()),
                secrets: None,
                mark: Some(mark),
            }));
        };
        let Order {
            control,
            plan,
            cancel,
            ..
        } = self.order;
        let history = control.history(&plan.environment, &app.app, cancel).await?;
        let rows = history.iter().map(|row| row.version);
        let others: Vec<u32> = rows.filter(|row| Some(*row) != ours.version).collect();
        let mut live = Live {
            version: None,
            history,
        };
        let version = others.into_iter().find(|version| {
            live.version = Some(*version);
            let digits = digits(&live, mark.as_ref());
            digits.is_some_and(|digits| digest.hex().starts_with(&digits))
        });
        let version = version.or_else(|| {
            let mark = mark.as_ref().filter(|mark| mark.digest == *digest)?;
            Some(mark.version)
        });
        Ok(Some(Earlier {
            version,
            mark: mark.filter(|mark| Some(mark.version) == version && mark.digest == *digest),
            digest: Some(digest.clone()),
            secrets: None,
        }))
    }

    async fn restore(&self, app: &PlannedApp, earlier: Earlier) -> Result<Restored, ModalError> {
        let (means, mark) = match self.natively(app, earlier.version).await {
            Ok(()) => (Means::Native, earlier.mark),
            Err(error) if error.is_cancelled() => return Err(error),
            Err(error) => {
                let Some(digest) = &earlier.digest else {
                    return Err(error);
                };
                let deploy = self.redeploy(app, digest).await?;
                let mark = earlier.mark.map(|mark| Mark { deploy, ..mark });
                (Means::Redeploy, mark)
            }
        };
        let version = self.must_be_live(app).await?.version;
        if let (Some(mark), Some(version)) = (mark, version) {
            let mark = Mark {
                version,
                secrets: earlier.secrets.unwrap_or(mark.secrets),
                smoked: false,
                ..mark
            };
            let changes = [Change::Mark(app.app.clone(), mark)];
            self.ledger.note(&changes, self.order.cancel).await;
        }
        Ok(Restored {
            means,
            version,
            digest: earlier.digest,
        })
    }

    /// By Modal's own rollback, unless it says that it may not be had.
    async fn natively(&self, app: &PlannedApp, version: Option<u32>) -> Result<(), ModalError> {
        let Order {
            control,
            plan,
            cancel,
            ..
        } = self.order;
        let environment = &plan.environment;
        let refused = |problem: String| Err(self.read_back_error(app, problem));
        let Some(version) = version else {
            return refused("Modal lists no version that has it".to_owned());
        };
        let history = control.history(environment, &app.app, cancel).await;
        let allowed = history.ok().and_then(|history| {
            let mut rows = history.into_iter();
            rows.find(|row| row.version == version)?.rollback_allowed
        });
        if allowed == Some(false) {
            return refused(format!(
                "Modal does not allow a rollback to version {version}"
            ));
        }
        control
            .native_rollback(environment, &app.app, version, cancel)
            .await
    }

    /// Deploys another digest of the same processor, and returns the fingerprint of that.
    async fn redeploy(&self, app: &PlannedApp, digest: &Digest) -> Result<Fingerprint, ModalError> {
        let image = app.image.repository.at(digest.clone());
        let folder = self.order.options.deploy.logs.as_deref();
        let log = Log::new(log::path(folder, &app.app));
        self.start_modal(app, &image, &self.tag(digest), &log)
            .await?;
        let then = PlannedApp {
            image,
            ..app.clone()
        };
        Ok(prints::deploy(&then, &self.shared, &self.key))
    }
}
