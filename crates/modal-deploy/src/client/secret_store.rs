use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use registry_model::Environment;
use secrecy::{ExposeSecret, SecretString};
use tonic::Code;

use super::connection::Client;
use crate::ModalError;
use crate::proto::secret_update_request::Update;
use crate::proto::{
    ListPagination, ObjectCreationType, SecretGetOrCreateRequest, SecretListRequest,
    SecretUpdateRequest,
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

/// A change of one key of a secret.
#[derive(Clone, Debug)]
pub enum KeyChange {
    /// The key has this value from now on.
    Set(String, SecretString),
    /// The key is gone; that there was none is no error.
    Remove(String),
}

/// Modal's ids of the secrets that this connection has come across, by environment and name: who
/// knows one need not ask for it. One that is out of date is refused as unknown.
#[derive(Default)]
pub(super) struct SecretIds(Mutex<BTreeMap<(Environment, String), String>>);

impl SecretIds {
    fn get(&self, environment: &Environment, name: &str) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(environment.clone(), name.to_owned())).cloned()
    }

    fn learn(&self, environment: &Environment, name: &str, id: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((environment.clone(), name.to_owned()), id.to_owned());
    }
}

impl Client {
    /// Changes single keys of the secret `name` and leaves the others; a secret that is missing
    /// is made with the keys to set. Runs that do this side by side do not undo each other.
    /// `false` from servers that cannot change single keys.
    ///
    /// # Errors
    /// [`ModalError::Rpc`]; values are never part of it.
    pub async fn change_keys(
        &self,
        environment: &Environment,
        name: &str,
        changes: &[KeyChange],
    ) -> Result<bool, ModalError> {
        if let Some(known) = self.inner.secret_ids.get(environment, name) {
            match self.update_keys(environment, name, known, changes).await {
                // It was deleted, and there may be another one of the same name.
                Err(error) if error.grpc_code() == Some(Code::NotFound) => {}
                other => return other,
            }
        }
        match self.secret_to_change(environment, name, changes).await? {
            Some(id) => self.update_keys(environment, name, id, changes).await,
            None => Ok(true),
        }
    }

    async fn update_keys(
        &self,
        environment: &Environment,
        name: &str,
        secret_id: String,
        changes: &[KeyChange],
    ) -> Result<bool, ModalError> {
        let operation = self.operation(
            "SecretUpdate",
            format!("change keys of secret `{name}` of environment `{environment}`"),
        );
        let request = SecretUpdateRequest {
            secret_id,
            updates: changes.iter().map(KeyChange::to_update).collect(),
        };
        let changed = self
            .unary(operation, request, |mut stub, request| async move {
                stub.secret_update(request).await
            })
            .await;
        match changed {
            Ok(()) => Ok(true),
            Err(ModalError::Unsupported { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The id of the secret, which is made where there are keys to set; `None` when it is
    /// missing and there are none.
    async fn secret_to_change(
        &self,
        environment: &Environment,
        name: &str,
        changes: &[KeyChange],
    ) -> Result<Option<String>, ModalError> {
        let set = changes.iter().filter_map(|change| match change {
            KeyChange::Set(key, value) => Some((key.clone(), value.expose_secret().to_owned())),
            KeyChange::Remove(_) => None,
        });
        let set: BTreeMap<String, String> = set.collect();
        // "If missing" is one step at the server: of two runs, one makes it, and both go on.
        let how = match set.is_empty() {
            true => ObjectCreationType::Unspecified,
            false => ObjectCreationType::CreateIfMissing,
        };
        match self.secret_id(environment, name, how, set).await {
            Err(error)
                if how == ObjectCreationType::Unspecified
                    && error.grpc_code() == Some(Code::NotFound) =>
            {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

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
                for secret in &all {
                    let ids = &self.inner.secret_ids;
                    ids.learn(environment, &secret.name, &secret.id);
                }
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
        let exposed = values
            .iter()
            .map(|(key, value)| (key.clone(), value.expose_secret().to_owned()))
            .collect();
        let how = ObjectCreationType::CreateOverwriteIfExists;
        self.secret_id(environment, name, how, exposed).await
    }

    async fn secret_id(
        &self,
        environment: &Environment,
        name: &str,
        how: ObjectCreationType,
        values: BTreeMap<String, String>,
    ) -> Result<String, ModalError> {
        let verb = match how {
            ObjectCreationType::Unspecified => "look up",
            _ => "write",
        };
        let operation = self.operation(
            "SecretGetOrCreate",
            format!("{verb} secret `{name}` of environment `{environment}`"),
        );
        let request = SecretGetOrCreateRequest {
            deployment_name: name.to_owned(),
            environment_name: environment.to_string(),
            object_creation_type: how.into(),
            env_dict: values,
            ..Default::default()
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.secret_get_or_create(request).await
            })
            .await?;
        let ids = &self.inner.secret_ids;
        ids.learn(environment, name, &answer.secret_id);
        Ok(answer.secret_id)
    }
}

impl KeyChange {
    fn to_update(&self) -> Update {
        match self {
            Self::Set(key, value) => Update {
                key: key.clone(),
                value: Some(value.expose_secret().to_owned()),
            },
            Self::Remove(key) => Update {
                key: key.clone(),
                value: None,
            },
        }
    }
}
