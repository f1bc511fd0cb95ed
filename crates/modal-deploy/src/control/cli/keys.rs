//! The keys of secrets, which the program `modal` neither tells nor changes one by one, with Modal's
//! own package.

use std::collections::BTreeMap;

use process::ProcessError;
use registry_model::Environment;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{CliControl, TIMEOUT, python};
use crate::ModalError;
use crate::client::{KeyChange, StoredSecret};

const PROGRAM: &str = include_str!("keys.py");
/// With this code it ends where the package does not know the requests.
const CANNOT: i32 = 3;

#[derive(Deserialize)]
struct Listed {
    secrets: Vec<Secret>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Secret {
    name: String,
    id: String,
    keys: Vec<String>,
    created_at: f64,
}

#[derive(Deserialize)]
struct Changed {
    made: bool,
}

impl From<Secret> for StoredSecret {
    fn from(secret: Secret) -> Self {
        let Secret {
            name,
            id,
            keys,
            created_at,
        } = secret;
        Self {
            name,
            id,
            keys,
            created_at,
        }
    }
}

/// All secrets of an environment, the newest first.
pub(super) async fn list(
    control: &CliControl,
    environment: &Environment,
    cancel: &CancellationToken,
) -> Result<Vec<StoredSecret>, ModalError> {
    let what = format!("list the secrets of environment `{environment}` with their keys");
    let request = json!({"environment": environment.as_str(), "change": null});
    let listed: Listed = run(control, &what, &request, &[], cancel).await?;
    Ok(listed.secrets.into_iter().map(Into::into).collect())
}

/// Changes single keys of a secret, which is made where it is missing; `false` where the package
/// or the server cannot.
pub(super) async fn change(
    control: &CliControl,
    environment: &Environment,
    name: &str,
    changes: &[KeyChange],
    cancel: &CancellationToken,
) -> Result<bool, ModalError> {
    let what = format!("change keys of secret `{name}` of environment `{environment}`");
    let mut keys: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut values = Vec::new();
    for change in changes {
        match change {
            KeyChange::Set(key, value) => {
                keys.insert(key, Some(value.expose_secret()));
                values.push(value);
            }
            KeyChange::Remove(key) => {
                keys.insert(key, None);
            }
        }
    }
    let request = json!({"environment": environment.as_str(), "name": name, "change": keys});
    match run::<Changed>(control, &what, &request, &values, cancel).await {
        Ok(changed) => Ok(changed.made),
        Err(error) if cannot(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn cannot(error: &ModalError) -> bool {
    match error {
        ModalError::PythonMissing { .. } => true,
        ModalError::Cli { source, .. } => {
            matches!(**source, ProcessError::Failed { code, .. } if code == Some(CANNOT))
        }
        _ => false,
    }
}

async fn run<T: serde::de::DeserializeOwned>(
    control: &CliControl,
    what: &str,
    request: &Value,
    values: &[&SecretString],
    cancel: &CancellationToken,
) -> Result<T, ModalError> {
    let (_folder, mut command) = python::run_of(control, PROGRAM, request, what)?;
    for value in values {
        command = command.redact(value);
    }
    let output = command.timeout(TIMEOUT).run(cancel).await;
    let output = output.map_err(|source| control.cli.error(what, source))?;
    python::answer(&output, what)
}
