use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use registry_model::{Edit, Registry};
use tokio_util::sync::CancellationToken;

use super::changes::{PinChanges, chain};
use crate::build::{BuildReport, Built};
use crate::plan::{self, BuiltAgain, PlanOptions, Proposed};
use crate::{FactoryError, Images};

/// Images whose records are read at once: each may be megabytes.
const AT_ONCE: usize = 4;

/// To wait longer for the name of a file helps nobody.
const WITHIN: Duration = Duration::from_secs(10);

/// Proves that merging the pins has nothing built again: plans for the tree as it will be then. Pins
/// that would start a loop must be neither written nor proposed.
///
/// `options` are those that were planned with, and the tree at their root is the one that was built.
/// The registry is asked only if it is not: what the image was built from tells what differs.
///
/// # Errors
/// [`FactoryError::PinLoop`] names the images that would be built again, and why.
pub async fn prove<I: Images>(
    registry: &Registry,
    report: &BuildReport,
    changes: &PinChanges,
    images: &I,
    options: &PlanOptions,
    cancel: &CancellationToken,
) -> Result<(), FactoryError> {
    let edits = merged(changes, options)?;
    let proposed: Vec<Proposed> = report.built.iter().map(proposed).collect();
    let again = plan::after(registry, &proposed, edits, options, cancel).await?;
    if again.is_empty() {
        return Ok(());
    }
    let by_merge = again.iter().any(|one| !one.changes.is_empty());
    let mut others = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(FactoryError::Cancelled { operation: "prove the pins" }),
        others = differences(&again, report, images) => others,
    };
    let items = again
        .into_iter()
        .map(|BuiltAgain { name, changes, .. }| {
            let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
            let why = match told.as_slice() {
                [] => {
                    let other = others.remove(&name).map(|other| format!(": {other}"));
                    let other = other.unwrap_or_default();
                    format!("the files here are not those that it was built from{other}")
                }
                told => told.join(", "),
            };
            (name, why)
        })
        .collect();
    Err(FactoryError::PinLoop { items, by_merge })
}

/// What is not here as it was built from, in a few words, by the name of the image. It is for people:
/// what cannot be found out soon is left out.
async fn differences<I: Images>(
    again: &[BuiltAgain],
    report: &BuildReport,
    images: &I,
) -> BTreeMap<String, String> {
    let by_name: BTreeMap<String, &Built> =
        report.built.iter().map(|one| (one.name(), one)).collect();
    let open = again.iter().filter(|one| one.changes.is_empty());
    let open = open.filter_map(|one| Some((&one.name, one.now.as_ref()?, by_name.get(&one.name)?)));
    stream::iter(open)
        .map(|(name, now, built)| async move {
            let then = plan::recorded(&built.image, &built.key, images).await?;
            let changes = then.diff(now);
            let more = match changes.len() {
                0 | 1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            let first = changes.first()?;
            Some((name.clone(), format!("{first}{more}")))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .take_until(tokio::time::sleep(WITHIN))
        .collect()
        .await
}

fn proposed(built: &Built) -> Proposed {
    Proposed {
        reference: built.reference.clone(),
        pin_platform: built.pin_platform.clone(),
        repository: built.image.repository.clone(),
        platforms: built.platforms.clone(),
        base_images: built.base_images.clone(),
        key: built.key.clone(),
    }
}

/// The registry files with the pins.
fn merged(
    changes: &PinChanges,
    options: &PlanOptions,
) -> Result<BTreeMap<PathBuf, Vec<u8>>, FactoryError> {
    let mut files = BTreeMap::new();
    for change in &changes.changes {
        let text = match files.remove(&change.file) {
            Some(text) => text,
            None => std::fs::read(options.root.join(&change.file)).map_err(|source| {
                FactoryError::Read {
                    path: change.file.clone(),
                    source,
                }
            })?,
        };
        let edited = registry_model::edit(&text, &change.place(), &change.new);
        let text = match edited {
            Ok(Edit::Changed(new)) => new,
            Ok(Edit::Unchanged) => text,
            Err(error) => {
                return Err(FactoryError::PinPlace {
                    item: change.name(),
                    problem: chain(&error),
                });
            }
        };
        files.insert(change.file.clone(), text);
    }
    Ok(files)
}
