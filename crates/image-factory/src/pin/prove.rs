use std::collections::BTreeMap;
use std::path::PathBuf;

use registry_model::{Edit, Registry};
use tokio_util::sync::CancellationToken;

use super::changes::{PinChanges, chain};
use crate::FactoryError;
use crate::build::{BuildReport, Built};
use crate::plan::{self, BuiltAgain, PlanOptions, Proposed};

/// Proves that merging the pins has nothing built again: plans for the tree as it will be then. Pins
/// that would start a loop must be neither written nor proposed.
///
/// `options` are those that were planned with, and the tree at their root is the one that was built.
/// Nothing is asked of any registry.
///
/// # Errors
/// [`FactoryError::PinLoop`] names the images that would be built again, and why.
pub async fn prove(
    registry: &Registry,
    report: &BuildReport,
    changes: &PinChanges,
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
    let items = again
        .into_iter()
        .map(|BuiltAgain { name, changes }| {
            let why: Vec<String> = changes.iter().map(ToString::to_string).collect();
            let why = match why.as_slice() {
                [] => "the files here are not those that it was built from".to_owned(),
                why => why.join(", "),
            };
            (name, why)
        })
        .collect();
    Err(FactoryError::PinLoop { items, by_merge })
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
