use registry_model::Environment;

use super::connection::Client;
use super::headers::show_server_warnings;
use crate::ModalError;
use crate::proto::{AppGetByDeploymentNameRequest, FunctionGetRequest, FunctionGetResponse};

/// A deployed app.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AppState {
    /// Modal's id of it, `ap-…`.
    pub app_id: String,
    /// The version that is live, counted from 1; `None` from servers that do not tell.
    pub version: Option<u32>,
    /// When that version was deployed, in seconds since 1970; `None` likewise.
    pub deployed_at: Option<f64>,
}

/// What a deployed function runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveFunction {
    /// Modal's id of the function, `fu-…`.
    pub function_id: String,
    /// Modal's id of its image, `im-…`; `None` from servers that do not tell.
    pub image_id: Option<String>,
    /// Modal's ids of the secrets it gets.
    pub secret_ids: Vec<String>,
}

impl Client {
    /// The app that is deployed under `name`, if there is one.
    ///
    /// # Errors
    /// [`ModalError::Rpc`], also when the environment does not exist.
    pub async fn app(
        &self,
        environment: &Environment,
        name: &str,
    ) -> Result<Option<AppState>, ModalError> {
        let operation = self.operation(
            "AppGetByDeploymentName",
            format!("look up app `{name}` of environment `{environment}`"),
        );
        let request = AppGetByDeploymentNameRequest {
            name: name.to_owned(),
            environment_name: environment.to_string(),
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.app_get_by_deployment_name(request).await
            })
            .await?;
        if answer.app_id.is_empty() {
            return Ok(None);
        }
        let lifecycle = answer.lifecycle.as_ref();
        Ok(Some(AppState {
            app_id: answer.app_id,
            version: lifecycle
                .and_then(|life| u32::try_from(life.version).ok())
                .filter(|version| *version > 0),
            deployed_at: lifecycle
                .map(|life| life.deployed_at)
                .filter(|at| *at > 0.0),
        }))
    }

    /// What `function` of `app` runs in; `version` names a version other than the live one.
    ///
    /// # Errors
    /// [`ModalError::Rpc`], also when there is no such app or function.
    pub async fn live_image(
        &self,
        environment: &Environment,
        app: &str,
        function: &str,
        version: Option<u32>,
    ) -> Result<LiveFunction, ModalError> {
        let answer = self.function(environment, app, function, version).await?;
        let ranked = answer
            .function
            .and_then(|data| {
                let mut ranked = data.ranked_functions;
                ranked.sort_by_key(|one| one.rank);
                ranked.into_iter().next()?.function
            })
            .unwrap_or_default();
        Ok(LiveFunction {
            function_id: answer.function_id,
            image_id: Some(ranked.image_id).filter(|id| !id.is_empty()),
            secret_ids: ranked.secret_ids,
        })
    }

    pub(crate) async fn function(
        &self,
        environment: &Environment,
        app: &str,
        function: &str,
        version: Option<u32>,
    ) -> Result<FunctionGetResponse, ModalError> {
        let at = version.map_or(String::new(), |version| format!(" at version {version}"));
        let operation = self.operation(
            "FunctionGet",
            format!(
                "look up function `{function}` of app `{app}`{at} in environment `{environment}`"
            ),
        );
        let request = FunctionGetRequest {
            app_name: app.to_owned(),
            object_tag: function.to_owned(),
            environment_name: environment.to_string(),
            app_version: version
                .and_then(|version| i32::try_from(version).ok())
                .unwrap_or_default(),
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.function_get(request).await
            })
            .await?;
        show_server_warnings("FunctionGet", &answer.server_warnings);
        Ok(answer)
    }
}
