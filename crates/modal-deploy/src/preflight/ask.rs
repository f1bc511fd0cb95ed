use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use oci::OciError;
use registry_model::{Environment, PinnedImage, Platform, SecretNames};
use tokio_util::sync::CancellationToken;

use super::facts::{AtHand, Facts, Trouble, Wanted};
use crate::client::{EnvironmentInfo, StoredSecret, TokenInfo};
use crate::deploy::{AppFile, DeployOptions, Images, ModalCli};
use crate::secrets::{self, PlannedSecret, SecretPlan, SecretProblem, SecretSource};
use crate::{Control, ModalError};

/// Images that are asked for at once.
const AT_ONCE: usize = 16;

/// Looks at everything, side by side. The environment is made, if it is missing and the caller
/// wants that, once all has been looked at.
///
/// # Errors
/// [`ModalError::Cancelled`].
pub async fn ask(
    control: Result<&Control, &ModalError>,
    wanted: &Wanted,
    cancel: &CancellationToken,
) -> Result<Facts, ModalError> {
    let registry = Images::as_modal(&wanted.at_hand(), &wanted.deploy.registry_secret);
    let (modal, client, images) = tokio::join!(
        modal(control, wanted, cancel),
        client(&wanted.deploy, cancel),
        images(wanted, registry.as_ref(), cancel),
    );
    if cancel.is_cancelled() {
        let what = format!("check what a deploy to `{}` needs", wanted.environment);
        return Err(ModalError::Cancelled { what });
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_secs().try_into().unwrap_or(i64::MAX));
    let DeployOptions {
        repository,
        app_file,
        ..
    } = &wanted.deploy;
    Ok(Facts {
        now,
        token: modal.token,
        environments: modal.environments,
        created: modal.created,
        stored: modal.stored,
        client: client.map_err(|error| Trouble::from(&error)),
        app_file: AppFile::find(repository, app_file).map_err(|error| Trouble::from(&error)),
        values: values(wanted),
        as_modal: registry.is_ok_and(|registry| registry.login.is_some()),
        images,
    })
}

impl Wanted {
    /// What of the declared secrets has a value that can be written. None of it may be shown.
    #[must_use]
    pub fn at_hand(&self) -> SecretPlan {
        let names = self.secrets().into_keys();
        let usable = names.filter_map(|name| value(name, &self.values, &self.environment).ok());
        SecretPlan {
            environment: self.environment.clone(),
            secrets: usable.map(|(secret, _)| secret).collect(),
            left_out: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// What Modal says.
struct AtModal {
    token: Result<Option<TokenInfo>, Trouble>,
    environments: Result<Vec<EnvironmentInfo>, Trouble>,
    stored: Result<Vec<StoredSecret>, Trouble>,
    created: Result<bool, Trouble>,
}

async fn modal(
    control: Result<&Control, &ModalError>,
    wanted: &Wanted,
    cancel: &CancellationToken,
) -> AtModal {
    let control = match control {
        Ok(control) => control,
        Err(error) => {
            let trouble = Trouble::from(error);
            return AtModal {
                token: Err(trouble.clone()),
                environments: Err(trouble.clone()),
                stored: Err(trouble),
                created: Ok(false),
            };
        }
    };
    let told = |error: ModalError| Trouble::from(&error);
    let name = &wanted.environment;
    let (token, environments, stored) = tokio::join!(
        control.token(cancel),
        control.environments(cancel),
        control.secrets(name, cancel),
    );
    let mut found = AtModal {
        token: token.map_err(told),
        environments: environments.map_err(told),
        stored: stored.map_err(told),
        created: Ok(false),
    };
    let is_missing = |known: &[EnvironmentInfo]| known.iter().all(|one| one.name != name.as_str());
    let missing = matches!(&found.environments, Ok(known) if is_missing(known));
    if missing && wanted.create_environment {
        let made = control.create_environment(name, cancel).await;
        found.created = made.map(|()| true).map_err(told);
        if found.created.is_ok() {
            let (environments, stored) =
                tokio::join!(control.environments(cancel), control.secrets(name, cancel));
            found.environments = environments.map_err(told);
            found.stored = stored.map_err(told);
        }
    }
    found
}

async fn client(deploy: &DeployOptions, cancel: &CancellationToken) -> Result<String, ModalError> {
    let program = match &deploy.modal {
        Some(program) => ModalCli::at(program)?,
        None => ModalCli::locate()?,
    };
    program.version(cancel).await
}

/// The value of each declared secret.
fn values(wanted: &Wanted) -> BTreeMap<String, AtHand> {
    let names = wanted.secrets().into_keys();
    let values = names.map(|name| {
        let value = match value(name, &wanted.values, &wanted.environment) {
            Ok((secret, warnings)) => AtHand::Value {
                keys: secret.values.into_keys().collect(),
                warnings,
            },
            Err(other) => other,
        };
        (name.to_owned(), value)
    });
    values.collect()
}

fn value(
    name: &str,
    source: &SecretSource,
    environment: &Environment,
) -> Result<(PlannedSecret, Vec<String>), AtHand> {
    let only = SecretNames {
        required: vec![name.to_owned()],
        optional: Vec::new(),
    };
    let missing = AtHand::Missing {
        looked_for: Vec::new(),
    };
    match secrets::plan(&[], &only, source, environment) {
        Ok(mut plan) => match plan.secrets.pop() {
            Some(secret) => Ok((secret, plan.warnings)),
            None => Err(missing),
        },
        Err(ModalError::Secrets { problems, .. }) => Err(match problems.into_iter().next() {
            Some(SecretProblem::Missing { looked_for, .. }) => AtHand::Missing { looked_for },
            Some(SecretProblem::Unusable { problem, .. }) => AtHand::Unusable { problem },
            None => missing,
        }),
        Err(other) => Err(AtHand::Unusable {
            problem: other.to_string(),
        }),
    }
}

/// What each image is for. With the login of the registry secret it is read as Modal will read it.
async fn images(
    wanted: &Wanted,
    registry: Result<&Images, &OciError>,
    cancel: &CancellationToken,
) -> BTreeMap<PinnedImage, Result<Vec<Platform>, Trouble>> {
    let asking = stream::iter(wanted.images())
        .map(async |image| {
            let described = match registry {
                Ok(registry) => registry.client.describe(image).await,
                Err(error) => return (image.clone(), Err(Trouble::from(error))),
            };
            let platforms = described.map(|image| image.platforms);
            (
                image.clone(),
                platforms.map_err(|error| Trouble::from(&error)),
            )
        })
        .buffer_unordered(AT_ONCE)
        .collect();
    cancel.run_until_cancelled(asking).await.unwrap_or_default()
}
