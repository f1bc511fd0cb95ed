//! Putting an earlier version of an app back in place.

use registry_model::Digest;
use serde::{Deserialize, Serialize};

use super::execute::Outcome;
use super::log::{self, Log};
use super::plan::PlannedApp;
use super::prints;
use super::work::{Order, Work};
use crate::ModalError;
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
    version: u32,
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
        self.ledger.check(&app.app, self.order.cancel).await?;
        let ours = match outcome.version {
            Some(version) => live == Some(version),
            None => self.is_tagged_by_us(app, live).await?,
        };
        if !ours {
            return stuck("somebody else deployed it in the meantime");
        }
        let mark = self.former[index].clone();
        let earlier = Earlier {
            version,
            mark: mark.filter(|mark| mark.version == version),
            secrets: Some(self.prints.apps[index].secrets.clone()),
        };
        self.restore(app, earlier).await.map(Some)
    }

    /// A newer run began while this one deployed `app`: what that run has deployed, or found to be
    /// right, comes back. Where it has done neither yet, it will.
    pub(super) async fn give_way(&self, app: &PlannedApp, ours: &AppState) {
        let mark = self.ledger.mark(&app.app).await;
        let Some(mark) = mark.filter(|mark| Some(mark.version) != ours.version) else {
            return;
        };
        let back = async {
            if self.live(app).await?.and_then(|live| live.version) != ours.version {
                return Ok(None);
            }
            let earlier = Earlier {
                version: mark.version,
                secrets: None,
                mark: Some(mark),
            };
            self.restore(app, earlier).await.map(Some)
        };
        match back.await {
            Ok(Some(restored)) => tracing::info!(target: "pipeline::progress", stage = "deploy",
                item = %app.app, "put back what the newer run counts on{}",
                restored.version.map_or(String::new(), |version| format!(", version {version}"))),
            Ok(None) => {}
            Err(error) => tracing::warn!(
                "failed to put back what the newer run counts on: {}",
                crate::error::chain(&error)
            ),
        }
    }

    async fn restore(&self, app: &PlannedApp, earlier: Earlier) -> Result<Restored, ModalError> {
        let Order {
            control,
            plan,
            cancel,
            ..
        } = self.order;
        let environment = &plan.environment;
        let history = control.history(environment, &app.app, cancel).await;
        let allowed = history.ok().and_then(|history| {
            let mut versions = history.into_iter();
            versions
                .find(|version| version.version == earlier.version)?
                .rollback_allowed
        });
        let native = match allowed {
            Some(false) => Err(self.read_back_error(
                app,
                format!(
                    "Modal does not allow a rollback to version {}",
                    earlier.version
                ),
            )),
            _ => {
                let version = earlier.version;
                control
                    .native_rollback(environment, &app.app, version, cancel)
                    .await
            }
        };
        let (means, mark) = match (native, earlier.mark) {
            (Ok(()), mark) => (Means::Native, mark),
            (Err(error), _) if error.is_cancelled() => return Err(error),
            (Err(error), None) => return Err(error),
            (Err(_), Some(mark)) => {
                let deploy = self.redeploy(app, &mark.digest).await?;
                (Means::Redeploy, Some(Mark { deploy, ..mark }))
            }
        };
        let version = self.must_be_live(app).await?.version;
        let digest = mark.as_ref().map(|mark| mark.digest.clone());
        if let (Some(mark), Some(version)) = (mark, version) {
            let mark = Mark {
                version,
                secrets: earlier.secrets.unwrap_or(mark.secrets),
                smoked: false,
                ..mark
            };
            let changes = [Change::Mark(app.app.clone(), mark)];
            self.ledger.note(&changes, cancel).await;
        }
        Ok(Restored {
            means,
            version,
            digest,
        })
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
