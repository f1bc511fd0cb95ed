use std::num::NonZeroUsize;

use futures_util::{StreamExt, TryStreamExt, stream};
use registry_model::Environment;
use tokio_util::sync::CancellationToken;

use super::plan::DeployPlan;
use super::steps::Found;
use crate::client::{AppState, EnvironmentInfo};
use crate::record::Record;
use crate::{Control, ModalError};

/// How many apps are looked up side by side. With the command line each is a Python process.
const AT_ONCE: usize = 16;

/// The environment with this name, if the workspace has it.
///
/// # Errors
/// [`ModalError::EnvironmentMissing`] with the names of those that exist, unless it may be made;
/// [`ModalError::Rpc`], [`ModalError::Cancelled`].
pub(crate) async fn environment(
    control: &Control,
    name: &Environment,
    create: bool,
    cancel: &CancellationToken,
) -> Result<Option<EnvironmentInfo>, ModalError> {
    let known = control.environments(cancel).await?;
    if let Some(found) = known.iter().find(|known| known.name == name.as_str()) {
        return Ok(Some(found.clone()));
    }
    if create {
        return Ok(None);
    }
    Err(ModalError::EnvironmentMissing {
        environment: name.clone(),
        known: known.into_iter().map(|known| known.name).collect(),
    })
}

/// Makes an environment.
pub(crate) async fn create(
    control: &Control,
    environment: &Environment,
    cancel: &CancellationToken,
) -> Result<(), ModalError> {
    control.create_environment(environment, cancel).await?;
    tracing::info!(target: "pipeline::progress", stage = "deploy", item = %environment,
        "environment created");
    Ok(())
}

/// What is in an environment that exists.
pub(crate) async fn find(
    control: &Control,
    plan: &DeployPlan,
    cancel: &CancellationToken,
) -> Result<Found, ModalError> {
    let (stored, live) = tokio::try_join!(
        control.secrets(&plan.environment, cancel),
        live(control, plan, cancel),
    )?;
    Ok(Found {
        record: Record::among(&stored),
        stored,
        live,
    })
}

/// What is deployed under the name of each app, in the order of the plan.
pub(crate) async fn live(
    control: &Control,
    plan: &DeployPlan,
    cancel: &CancellationToken,
) -> Result<Vec<Option<AppState>>, ModalError> {
    let at_once = match control {
        Control::Native(_) => AT_ONCE,
        Control::Cli(_) => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
    };
    stream::iter(&plan.apps)
        .map(|app| control.app(&plan.environment, &app.app, cancel))
        .buffered(at_once)
        .try_collect()
        .await
}
