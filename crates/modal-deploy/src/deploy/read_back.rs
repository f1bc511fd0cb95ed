//! What Modal says is live, compared with what was deployed.

use registry_model::Digest;

use super::plan::PlannedApp;
use super::tag;
use super::work::{Order, Work};
use crate::ModalError;
use crate::client::AppState;

impl Work<'_> {
    /// Compares what Modal's history says of the live version with what was deployed.
    pub(super) async fn read_back(
        &self,
        app: &PlannedApp,
        tag: &str,
        after: &AppState,
        unchanged: bool,
    ) -> Result<(), ModalError> {
        let Some(found) = self.tag_of(app, after.version).await? else {
            return Ok(());
        };
        let digest = &app.image.digest;
        match tag::names(&found, digest) {
            _ if found == tag => Ok(()),
            Some(true) => Ok(()),
            // What somebody deployed by hand may well be the same.
            None if unchanged => Ok(()),
            Some(false) | None => {
                let version = after.version.unwrap_or_default();
                let pinned = digest.short();
                let problem = format!("version {version} is tagged `{found}`, pinned is {pinned}");
                Err(self.read_back_error(app, problem))
            }
        }
    }

    /// Whether `version` has the tag that this run gives.
    pub(super) async fn is_tagged_by_us(
        &self,
        app: &PlannedApp,
        version: Option<u32>,
    ) -> Result<bool, ModalError> {
        let found = self.tag_of(app, version).await?;
        Ok(found.is_some_and(|found| found == self.tag(&app.image.digest)))
    }

    pub(super) fn tag(&self, digest: &Digest) -> String {
        tag::tag(digest, self.order.options.deploy.commit.as_deref())
    }

    /// The tag of a version, as far as Modal tells.
    async fn tag_of(
        &self,
        app: &PlannedApp,
        version: Option<u32>,
    ) -> Result<Option<String>, ModalError> {
        let Order {
            control,
            plan,
            cancel,
            ..
        } = self.order;
        let history = control.history(&plan.environment, &app.app, cancel).await;
        let history = match history {
            // Then the version and the image are all there is.
            Err(ModalError::Unsupported { .. }) => return Ok(None),
            other => other?,
        };
        let live = history.into_iter().find(|one| Some(one.version) == version);
        Ok(live.and_then(|live| live.tag))
    }

    pub(super) fn read_back_error(&self, app: &PlannedApp, problem: String) -> ModalError {
        ModalError::ReadBack {
            app: app.app.clone(),
            environment: self.order.plan.environment.clone(),
            problem,
        }
    }
}
