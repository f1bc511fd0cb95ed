use std::collections::BTreeMap;

use registry_model::Environment;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::ModalError;
use crate::client::{
    AppState, AppVersion, Client, EnvironmentInfo, KeyChange, ListedApp, StoredSecret, TokenInfo,
};

/// Ends the request when the caller cancels.
async fn until<T>(
    cancel: &CancellationToken,
    what: impl FnOnce() -> String,
    work: impl Future<Output = Result<T, ModalError>>,
) -> Result<T, ModalError> {
    cancel
        .run_until_cancelled(work)
        .await
        .unwrap_or_else(|| Err(ModalError::Cancelled { what: what() }))
}

impl Client {
    pub(super) async fn ask_token(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Option<TokenInfo>, ModalError> {
        until(cancel, || "check the token".into(), self.token_info()).await
    }

    pub(super) async fn ask_environments(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Vec<EnvironmentInfo>, ModalError> {
        until(cancel, || "list environments".into(), self.environments()).await
    }

    pub(super) async fn make_environment(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let what = || format!("create environment `{environment}`");
        until(cancel, what, self.create_environment(environment)).await
    }

    pub(super) async fn ask_secrets(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<Vec<StoredSecret>, ModalError> {
        let what = || format!("list the secrets of `{environment}`");
        until(cancel, what, self.secrets(environment)).await
    }

    pub(super) async fn write_secret(
        &self,
        environment: &Environment,
        name: &str,
        values: &BTreeMap<String, SecretString>,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let what = || format!("write secret `{name}` of `{environment}`");
        let write = self.upsert_secret(environment, name, values);
        until(cancel, what, write).await.map(drop)
    }

    pub(super) async fn write_keys(
        &self,
        environment: &Environment,
        name: &str,
        changes: &[KeyChange],
        cancel: &CancellationToken,
    ) -> Result<bool, ModalError> {
        let what = || format!("change keys of secret `{name}` of `{environment}`");
        let change = self.change_keys(environment, name, changes);
        until(cancel, what, change).await
    }

    pub(super) async fn ask_app(
        &self,
        environment: &Environment,
        name: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<AppState>, ModalError> {
        let what = || format!("look up app `{name}` of `{environment}`");
        until(cancel, what, self.app(environment, name)).await
    }

    pub(super) async fn ask_apps(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<Vec<ListedApp>, ModalError> {
        let what = || format!("list the apps of `{environment}`");
        until(cancel, what, self.apps(environment)).await
    }

    pub(super) async fn ask_history(
        &self,
        environment: &Environment,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<AppVersion>, ModalError> {
        let what = || format!("read the deployments of app `{app}` of `{environment}`");
        let read = async {
            match self.app(environment, app).await? {
                Some(live) => self.history(&live.app_id).await,
                None => Ok(Vec::new()),
            }
        };
        until(cancel, what, read).await
    }

    pub(super) async fn roll_back(
        &self,
        environment: &Environment,
        app: &str,
        version: u32,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let what = || format!("roll app `{app}` of `{environment}` back to version {version}");
        let work = async {
            let app_id = self.live(environment, app).await?;
            self.rollback(&app_id, version).await
        };
        until(cancel, what, work).await
    }

    pub(super) async fn roll_over(
        &self,
        environment: &Environment,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let what = || format!("roll app `{app}` of `{environment}` over");
        let work = async {
            let app_id = self.live(environment, app).await?;
            self.rollover(&app_id).await
        };
        until(cancel, what, work).await
    }

    async fn live(&self, environment: &Environment, app: &str) -> Result<String, ModalError> {
        let found = self.app(environment, app).await?;
        found
            .map(|app| app.app_id)
            .ok_or_else(|| ModalError::NotLive {
                app: app.to_owned(),
                environment: environment.clone(),
            })
    }

    pub(super) async fn ask_image(
        &self,
        environment: &Environment,
        app: &str,
        function: &str,
        version: Option<u32>,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, ModalError> {
        let what = || format!("look up the image of `{function}` of app `{app}`");
        let ask = self.live_image(environment, app, function, version);
        until(cancel, what, ask).await.map(|live| live.image_id)
    }
}
