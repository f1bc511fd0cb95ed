use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use futures_util::{StreamExt, TryStreamExt, stream};
use registry_model::SecretNames;
use tokio_util::sync::CancellationToken;

use super::compare::{Found, Live, compare};
use super::{AuditReport, Pins};
use crate::record::Record;
use crate::{Control, DeployImage, ModalError};

/// Environments that are looked at side by side, and apps of each.
const ENVIRONMENTS: usize = 4;
const APPS: usize = 16;

/// Compares what each environment should have with what it has. Changes nothing.
///
/// # Errors
/// [`ModalError::Rpc`], [`ModalError::Cancelled`]. That an environment does not exist is no error:
/// then all of it is missing.
pub async fn audit(
    control: &Control,
    all: &[Pins],
    shared: &SecretNames,
    cancel: &CancellationToken,
) -> Result<AuditReport, ModalError> {
    let existing = control.environments(cancel).await?;
    let known: BTreeSet<String> = all
        .iter()
        .flat_map(|pins| &pins.processors)
        .map(|processor| processor.reference.app_name())
        .collect();
    let environments = stream::iter(all)
        .map(async |pins| {
            let name = pins.environment.as_str();
            let found = match existing.iter().any(|one| one.name == name) {
                true => Some(find(control, pins, cancel).await?),
                false => None,
            };
            Ok::<_, ModalError>(compare(pins, found.as_ref(), shared, &known))
        })
        .buffered(ENVIRONMENTS)
        .try_collect()
        .await?;
    Ok(AuditReport {
        schema: 1,
        environments,
    })
}

async fn find(
    control: &Control,
    pins: &Pins,
    cancel: &CancellationToken,
) -> Result<Found, ModalError> {
    let (stored, apps) = tokio::try_join!(
        control.secrets(&pins.environment, cancel),
        control.apps(&pins.environment, cancel),
    )?;
    let record = Record::among(&stored);
    // Python for each question of the command line.
    let at_once = match control {
        Control::Native(_) => APPS,
        Control::Cli(_) => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
    };
    let names: BTreeSet<String> = apps
        .into_iter()
        .filter(|app| app.deployed && !app.name.is_empty())
        .map(|app| app.name)
        .collect();
    let live: Vec<Option<(String, Live)>> = stream::iter(names)
        .map(async |name| {
            let live = look(control, pins, record.as_ref(), &name, cancel).await?;
            Ok::<_, ModalError>(live.map(|live| (name, live)))
        })
        .buffer_unordered(at_once)
        .try_collect()
        .await?;
    let live: BTreeMap<String, Live> = live.into_iter().flatten().collect();
    Ok(Found {
        record,
        stored,
        live,
    })
}

/// What is live under a name; `None` when it went in the meantime. The history is only asked for
/// where the record does not say all there is to say.
async fn look(
    control: &Control,
    pins: &Pins,
    record: Option<&Record>,
    name: &str,
    cancel: &CancellationToken,
) -> Result<Option<Live>, ModalError> {
    let environment = &pins.environment;
    let Some(state) = control.app(environment, name, cancel).await? else {
        return Ok(None);
    };
    let mark = record.and_then(|record| record.mark(name));
    let mark = mark.filter(|mark| Some(mark.version) == state.version);
    let right = mark.is_some_and(|mark| {
        pins.processors.iter().any(|processor| {
            let pinned = matches!(&processor.image,
                DeployImage::Pinned(image) if image.digest == mark.digest);
            pinned && processor.reference.app_name() == name
        })
    });
    let history = match right {
        true => Vec::new(),
        false => control.history(environment, name, cancel).await?,
    };
    let newest = history.first().map(|row| row.version);
    Ok(Some(Live {
        version: state.version.or(newest),
        history,
    }))
}
