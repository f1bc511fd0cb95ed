use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use registry_model::{Platform, ProcessorRef, Registry, Repository};
use tokio_util::sync::CancellationToken;

use super::changes::InputChange;
use super::evidence::Evidence;
use super::inputs;
use super::model::{BaseImage, InputKey, Planned, item_name};
use super::options::PlanOptions;
use super::record::{InputsRecord, record};
use super::run::{Work, draft, in_background, open_git, registry_files};
use super::tree::{Files, Git};
use crate::FactoryError;

/// An image that is to be pinned, and what its key was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The processor.
    pub reference: ProcessorRef,
    /// The platform that the pin is for; none for `image.oci`.
    pub pin_platform: Option<Platform>,
    /// Where the image is.
    pub repository: Repository,
    /// What it was built for.
    pub platforms: Vec<Platform>,
    /// The images that it was built from.
    pub base_images: Vec<BaseImage>,
    /// What it follows from.
    pub key: InputKey,
}

impl From<&Planned> for Proposed {
    fn from(item: &Planned) -> Self {
        Self {
            reference: item.reference.clone(),
            pin_platform: item.pin_platform.clone(),
            repository: item.repository.clone(),
            platforms: item.platforms.clone(),
            base_images: item.base_images.clone(),
            key: item.key.clone(),
        }
    }
}

/// An image that the merge of its pin would have built again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltAgain {
    /// How people call it.
    pub name: String,
    /// What the merge changes of its inputs. None: it is not the merge that changes them; the files
    /// here are not those that it was built from.
    pub changes: Vec<InputChange>,
    /// What it would be built from here, without the merge.
    pub now: Option<InputsRecord>,
}

/// Plans for the tree as it will be once pins are merged: what would have to be built again. To
/// propose such pins is to start a loop.
///
/// `edits` are the files that the merge changes, with their new bytes. The base images are those
/// that were built from: nothing is asked of any registry.
///
/// # Errors
/// When a processor is not in the registry files, or a file cannot be read.
pub async fn after(
    registry: &Registry,
    proposed: &[Proposed],
    edits: BTreeMap<PathBuf, Vec<u8>>,
    options: &PlanOptions,
    cancel: &CancellationToken,
) -> Result<Vec<BuiltAgain>, FactoryError> {
    let items: Vec<Planned> = proposed
        .iter()
        .map(|proposed| item(proposed, registry))
        .collect::<Result<_, _>>()?;
    let merge = Merge {
        git: Arc::new(open_git(&options.root, cancel).await),
        registry_files: registry_files(registry),
        options,
        cancel,
    };
    let files = Files::of(options);
    let merged = Files {
        edits: Arc::new(edits),
        ..files.clone()
    };
    let (after, evidence) = merge.key(merged, items.clone()).await?;
    let again: Vec<(&Proposed, Planned)> = proposed
        .iter()
        .zip(after)
        .filter(|(proposed, after)| proposed.key != after.key)
        .collect();
    if again.is_empty() {
        return Ok(Vec::new());
    }
    let (now, before) = merge.key(files, items).await?;
    let now: BTreeMap<String, Planned> = now.into_iter().map(|item| (item.name(), item)).collect();
    Ok(again
        .into_iter()
        .map(|(proposed, after)| {
            let name = item_name(&proposed.reference, proposed.pin_platform.as_ref());
            let inputs = |evidence, item| record(evidence, item, &options.settings);
            let now = now.get(&name).and_then(|item| inputs(&before, item));
            let changes = match (&now, inputs(&evidence, &after)) {
                (Some(now), Some(new)) => now.diff(&new),
                _ => Vec::new(),
            };
            BuiltAgain { name, changes, now }
        })
        .collect())
}

fn item(proposed: &Proposed, registry: &Registry) -> Result<Planned, FactoryError> {
    let place = |problem: &str| FactoryError::PinPlace {
        item: item_name(&proposed.reference, proposed.pin_platform.as_ref()),
        problem: problem.to_owned(),
    };
    let entry = registry
        .entries
        .iter()
        .find(|entry| entry.reference == proposed.reference)
        .ok_or_else(|| place("no registry file has it"))?;
    let mut item = draft(entry, &proposed.repository, &proposed.platforms)?
        .into_iter()
        .find(|item| item.pin_platform == proposed.pin_platform)
        .ok_or_else(|| place("its registry file has no place for that"))?;
    item.base_images.clone_from(&proposed.base_images);
    Ok(item)
}

struct Merge<'a> {
    git: Arc<Git>,
    registry_files: Vec<PathBuf>,
    options: &'a PlanOptions,
    cancel: &'a CancellationToken,
}

impl Merge<'_> {
    /// The keys that the items have with these files.
    async fn key(
        &self,
        files: Files,
        items: Vec<Planned>,
    ) -> Result<(Vec<Planned>, Evidence), FactoryError> {
        let reading = files.clone();
        let (items, prepared) = in_background(self.cancel, move |_| {
            let prepared = inputs::prepare(&reading, &items)?;
            Ok((items, prepared))
        })
        .await?;
        let work = Work {
            files,
            git: Arc::clone(&self.git),
            registry_files: self.registry_files.clone(),
            settings: self.options.settings.clone(),
        };
        let (items, _, evidence) = work.key(items, prepared, self.cancel).await?;
        Ok((items, evidence))
    }
}
