use std::collections::BTreeMap;

use registry_model::Environment;
use secrecy::{ExposeSecret, SecretString};

use super::connection::Client;
use crate::ModalError;
use crate::proto::{
    ListPagination, ObjectCreationType, SecretGetOrCreateRequest, SecretListRequest,
};

const PAGE: i32 = 100;

/// A secret of an environment. Modal never gives values back.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredSecret {
    /// Its name.
    pub name: String,
    /// Modal's id of it, `st-…`.
    pub id: String,
    /// The names of its keys; empty from servers that do not tell.
    pub keys: Vec<String>,
    /// When it was made, in seconds since 1970.
    pub created_at: f64,
}

impl Client {
    /// All secrets of an environment, the newest first.
    ///
    /// # Errors
    /// [`ModalError::Rpc`].
    pub async fn secrets(
        &self,
        environment: &Environment,
    ) -> Result<Vec<StoredSecret>, ModalError> {
        let mut all: Vec<StoredSecret> = Vec::new();
        let mut created_before = 0.0;
        loop {
            let operation = self.operation(
                "SecretList",
                format!("list the secrets of environment `{environment}`"),
            );
            let request = SecretListRequest {
                environment_name: environment.to_string(),
                pagination: Some(ListPagination {
                    max_objects: PAGE,
                    created_before,
                }),
            };
            let page = self
                .unary(operation, request, |mut stub, request| async move {
                    stub.secret_list(request).await
                })
                .await?
                .items;
            let full = page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
            let last = page.last().map_or(0.0, |item| item.created_at);
            let before = all.len();
            for item in page {
                // Pages may overlap where two secrets have the same time.
                if all.iter().all(|known| known.id != item.secret_id) {
                    all.push(StoredSecret {
                        name: item.label,
                        id: item.secret_id,
                        keys: item.metadata.map(|more| more.keys).unwrap_or_default(),
                        created_at: item.created_at,
                    });
                }
            }
            // A full page without news would be asked for for ever.
            if !full || all.len() == before {
                return Ok(all);
            }
            created_before = last;
        }
    }

    /// Makes a secret, or replaces **all** its keys, and returns its id.
    ///
    /// # Errors
    /// [`ModalError::Rpc`]; values are never part of it.
    pub async fn upsert_secret(
        &self,
        environment: &Environment,
        name: &str,
        values: &BTreeMap<String, SecretString>,
    ) -> Result<String, ModalError> {
        let operation = self.operation(
            "SecretGetOrCreate",
            format!("write secret `{name}` of environment `{environment}`"),
        );
        let exposed = values
            .iter()
            .map(|(key, value)| (key.clone(), value.expose_secret().to_owned()));
        let request = SecretGetOrCreateRequest {
            deployment_name: name.to_owned(),
            environment_name: environment.to_string(),
            object_creation_type: ObjectCreationType::CreateOverwriteIfExists.into(),
            env_dict: exposed.collect(),
            ..Default::default()
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.secret_get_or_create(request).await
            })
            .await?;
        Ok(answer.secret_id)
    }
}
