use registry_model::Environment;

use super::connection::Client;
use crate::ModalError;
use crate::proto::EnvironmentCreateRequest;

/// An environment of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvironmentInfo {
    /// Its name.
    pub name: String,
    /// Whether it is the one that is meant when none is named.
    pub default: bool,
    /// The version of the recipe by which Modal builds images here; `None` from older servers.
    /// The same digest gives the same container only where these are the same.
    pub image_builder_version: Option<String>,
}

impl Client {
    /// All environments of the workspace.
    ///
    /// # Errors
    /// [`ModalError::Rpc`].
    pub async fn environments(&self) -> Result<Vec<EnvironmentInfo>, ModalError> {
        let operation = self.operation("EnvironmentList", "list environments");
        let answer = self
            .unary(operation, (), |mut stub, request| async move {
                stub.environment_list(request).await
            })
            .await?;
        let known = answer.items.into_iter().map(|item| EnvironmentInfo {
            name: item.name,
            default: item.default,
            image_builder_version: item.image_builder_version,
        });
        Ok(known.collect())
    }

    /// Makes an environment; that it exists already is no error.
    ///
    /// # Errors
    /// [`ModalError::Rpc`].
    pub async fn create_environment(&self, environment: &Environment) -> Result<(), ModalError> {
        let operation = self.operation(
            "EnvironmentCreate",
            format!("create environment `{environment}`"),
        );
        let request = EnvironmentCreateRequest {
            name: environment.to_string(),
            ..Default::default()
        };
        let made = self
            .unary(operation, request, |mut stub, request| async move {
                stub.environment_create(request).await
            })
            .await;
        match made {
            Err(error) if error.grpc_code() == Some(tonic::Code::AlreadyExists) => Ok(()),
            other => other,
        }
    }
}
