//! What Modal says is live, compared with what was deployed.

use registry_model::Digest;

use super::plan::PlannedApp;
use super::tag;
use super::work::{Order, Work};
use crate::ModalError;
use crate::client::{AppState, AppVersion};

impl Work<'_> {
    /// Compares what Modal's history says of the live version with what was deployed, where
    /// `before` was what the same app had until then. The answer is what this run deployed, which
    /// somebody else may have replaced since: that is for the end of the run to find, as if it
    /// had happened later.
    pub(super) async fn read_back(
        &self,
        app: &PlannedApp,
        tag: &str,
        before: Option<&AppState>,
        after: &AppState,
    ) -> Result<AppState, ModalError> {
        let history = self.history(app).await?;
        let live = history
            .iter()
            .find(|row| Some(row.version) == after.version);
        let Some(found) = live.and_then(|live| live.tag.as_deref()) else {
            return Ok(after.clone());
        };
        let digest = &app.image.digest;
        let before = before.and_then(|before| before.version);
        let unchanged = before.is_some() && before == after.version;
        match tag::names(found, digest) {
            _ if found == tag => Ok(after.clone()),
            Some(true) => Ok(after.clone()),
            // What somebody deployed by hand may well be the same.
            None if unchanged => Ok(after.clone()),
            Some(false) | None => {
                let ours = history
                    .iter()
                    .filter(|row| Some(row.version) > before && row.tag.as_deref() == Some(tag));
                if let Some(version) = ours.map(|row| row.version).max() {
                    return Ok(AppState {
                        version: Some(version),
                        ..after.clone()
                    });
                }
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
        let tag = self.tag(&app.image.digest);
        let history = self.history(app).await?;
        let mut rows = history.iter();
        Ok(rows.any(|row| Some(row.version) == version && row.tag.as_ref() == Some(&tag)))
    }

    pub(super) fn tag(&self, digest: &Digest) -> String {
        tag::tag(digest, self.order.options.deploy.commit.as_deref())
    }

    /// The versions of an app, as far as Modal tells.
    async fn history(&self, app: &PlannedApp) -> Result<Vec<AppVersion>, ModalError> {
        let Order {
            control,
            plan,
            cancel,
            ..
        } = self.order;
        let history = control.history(&plan.environment, &app.app, cancel).await;
        match history {
            // Then the version and the image are all there is.
            Err(ModalError::Unsupported { .. }) => Ok(Vec::new()),
            other => other,
        }
    }

    pub(super) fn read_back_error(&self, app: &PlannedApp, problem: String) -> ModalError {
        ModalError::ReadBack {
            app: app.app.clone(),
            environment: self.order.plan.environment.clone(),
            problem,
        }
    }
}
