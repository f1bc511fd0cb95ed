use registry_model::Environment;

use super::connection::Client;
use super::headers::show_server_warnings;
use crate::ModalError;
use crate::proto::{
    AppDeploymentHistory, AppDeploymentHistoryRequest, AppListRequest, AppRollbackRequest,
    AppRolloverRequest, AppState,
};

/// One deployment of an app.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AppVersion {
    /// Counted from 1.
    pub version: u32,
    /// In seconds since 1970.
    pub deployed_at: f64,
    /// Who did it.
    pub deployed_by: String,
    /// `--tag`, if one was given.
    pub tag: Option<String>,
    /// The commit that Modal's command line found, if it found one; shortened by some back ends.
    pub commit: Option<String>,
    /// Whether Modal's own rollback may go to it; `None` where nobody can tell.
    pub rollback_allowed: Option<bool>,
    /// The version it is a copy of, when it was made by a rollback.
    pub rollback_of: Option<u32>,
}

/// An app of an environment, deployed or not.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ListedApp {
    /// Modal's id of it, `ap-…`.
    pub app_id: String,
    /// The name it is deployed under.
    pub name: String,
    /// Whether it is deployed; others are stopped, or end with their client.
    pub deployed: bool,
    /// How many containers it has.
    pub running: u32,
}

impl Client {
    /// All apps of an environment, stopped ones included.
    ///
    /// # Errors
    /// [`ModalError::Rpc`].
    pub async fn apps(&self, environment: &Environment) -> Result<Vec<ListedApp>, ModalError> {
        let operation = self.operation(
            "AppList",
            format!("list the apps of environment `{environment}`"),
        );
        let request = AppListRequest {
            environment_name: environment.to_string(),
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.app_list(request).await
            })
            .await?;
        let apps = answer.apps.into_iter().map(|app| ListedApp {
            deployed: app.state() == AppState::Deployed,
            running: app.n_running_tasks.try_into().unwrap_or_default(),
            // Servers tell the name of a deployed app in both, and others in one of the two.
            name: Some(app.name)
                .filter(|name| !name.is_empty())
                .unwrap_or(app.description),
            app_id: app.app_id,
        });
        Ok(apps.collect())
    }

    /// The deployments of the app with this id, the newest first.
    ///
    /// # Errors
    /// [`ModalError::Rpc`], [`ModalError::Unsupported`].
    pub async fn history(&self, app_id: &str) -> Result<Vec<AppVersion>, ModalError> {
        let operation = self.operation(
            "AppDeploymentHistory",
            format!("read the deployments of app `{app_id}`"),
        );
        let request = AppDeploymentHistoryRequest {
            app_id: app_id.to_owned(),
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.app_deployment_history(request).await
            })
            .await?;
        let rows = answer.app_deployment_histories.into_iter();
        let mut versions: Vec<AppVersion> = rows.map(AppVersion::from).collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        Ok(versions)
    }

    /// Modal's own rollback: a new version of the app with this id that has what `version` had.
    /// Which plans may is Modal's to say.
    ///
    /// # Errors
    /// [`ModalError::Rpc`], [`ModalError::Unsupported`].
    pub async fn rollback(&self, app_id: &str, version: u32) -> Result<(), ModalError> {
        let operation = self.operation(
            "AppRollback",
            format!("roll app `{app_id}` back to version {version}"),
        );
        let request = AppRollbackRequest {
            app_id: app_id.to_owned(),
            // A number that does not fit is none that Modal has given.
            version: version.try_into().unwrap_or(i32::MAX),
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.app_rollback(request).await
            })
            .await?;
        show_server_warnings("AppRollback", &answer.server_warnings);
        Ok(())
    }

    /// New containers for what is live in the app with this id.
    ///
    /// # Errors
    /// [`ModalError::Rpc`], [`ModalError::Unsupported`].
    pub async fn rollover(&self, app_id: &str) -> Result<(), ModalError> {
        let operation = self.operation("AppRollover", format!("roll app `{app_id}` over"));
        let request = AppRolloverRequest {
            app_id: app_id.to_owned(),
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.app_rollover(request).await
            })
            .await?;
        show_server_warnings("AppRollover", &answer.server_warnings);
        Ok(())
    }
}

impl From<AppDeploymentHistory> for AppVersion {
    fn from(row: AppDeploymentHistory) -> Self {
        let told = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            version: row.version,
            deployed_at: row.deployed_at,
            deployed_by: row.deployed_by,
            tag: told(row.tag),
            commit: row.commit_info.and_then(|commit| told(commit.commit_hash)),
            rollback_allowed: Some(row.rollback_allowed),
            rollback_of: Some(row.rollback_version).filter(|version| *version > 0),
        }
    }
}
