//! Why what must be built is not what is pinned.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use registry_model::PinnedImage;
use tokio_util::sync::CancellationToken;

use super::evidence::Evidence;
use super::model::{Decision, ImageSettings, Planned, Why};
use super::options::PlanOptions;
use super::record::{ARTIFACT_TYPE, InputsRecord, outline, record};
use super::run::in_background;
use crate::Images;

/// Pinned images that are looked at at once: the records of each may be megabytes.
const AT_ONCE: usize = 4;

/// An image that came out the same from other inputs has a record of each; this many are read.
const RECORDS: usize = 4;

/// The differences that a plan names.
const CHANGES: usize = 20;

/// When an artifact was made (OCI image specification, annotations.md).
const CREATED: &str = "org.opencontainers.image.created";

/// Finds out what changed since the pin of each item that must be built, from the records beside the
/// pinned image. That is for people: nothing depends on it, and nothing fails by it.
pub(crate) async fn explain<I: Images>(
    items: &mut [Planned],
    evidence: &Evidence,
    images: &I,
    options: &PlanOptions,
    cancel: &CancellationToken,
) {
    let mut open: BTreeMap<PinnedImage, Vec<(usize, Planned)>> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let why = Why::InputsChanged;
        if let (Some(pinned), true) = (&item.pinned, item.decision == Decision::Build { why }) {
            let same = open.entry(pinned.clone()).or_default();
            same.push((index, item.clone()));
        }
    }
    let explained: Vec<(usize, Why)> = stream::iter(open)
        .map(|(pinned, items)| async move {
            let records = records(&pinned, images).await;
            if records.is_empty() {
                return Vec::new();
            }
            let (evidence, settings) = (evidence.clone(), options.settings.clone());
            let compare = move |cancel: CancellationToken| {
                Ok(compare(
                    &pinned, &records, &items, &evidence, &settings, &cancel,
                ))
            };
            in_background(cancel, compare).await.unwrap_or_default()
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await
        .concat();
    for (index, why) in explained {
        if let Some(item) = items.get_mut(index) {
            item.decision = Decision::Build { why };
        }
    }
}

/// The records beside an image, the newest last as far as they tell.
async fn records<I: Images>(pinned: &PinnedImage, images: &I) -> Vec<Vec<u8>> {
    let read = async {
        let mut all = images.referrers(pinned, ARTIFACT_TYPE).await?;
        all.sort_by_cached_key(|one| one.annotations.get(CREATED).cloned());
        let skip = all.len().saturating_sub(RECORDS);
        let mut records = Vec::new();
        for one in all.iter().skip(skip) {
            match images.artifact(&one.manifest).await {
                Ok(bytes) => records.push(bytes),
                Err(error) => tracing::debug!(%error, "an inputs record cannot be read"),
            }
        }
        Ok::<_, oci::OciError>(records)
    };
    read.await.unwrap_or_else(|error| {
        tracing::debug!(%pinned, %error, "no inputs record to compare with");
        Vec::new()
    })
}

fn compare(
    pinned: &PinnedImage,
    records: &[Vec<u8>],
    items: &[(usize, Planned)],
    evidence: &Evidence,
    settings: &ImageSettings,
    cancel: &CancellationToken,
) -> Vec<(usize, Why)> {
    let mut olds = Vec::new();
    for bytes in records {
        match InputsRecord::from_bytes(bytes) {
            Ok(record) => olds.push(record),
            Err(error) => tracing::debug!(%pinned, %error, "an inputs record is of no use"),
        }
    }
    let explain = |(index, item): &(usize, Planned)| {
        if cancel.is_cancelled() {
            return None;
        }
        let mut new = outline(evidence, item, settings)?;
        if olds.iter().any(|old| !old.has_files_of(&new)) {
            new = record(evidence, item, settings)?;
        }
        // It may have been built from any of them: the nearest tells best what somebody changed
        // since.
        let nearest = olds.iter().rev().map(|old| old.diff(&new));
        let mut changes = nearest.min_by_key(Vec::len)?;
        let more = changes.len().saturating_sub(CHANGES);
        changes.truncate(CHANGES);
        let since = pinned.digest.clone();
        let why = Why::Changed {
            since,
            changes: changes.clone(),
            more,
        };
        (!changes.is_empty()).then_some((*index, why))
    };
    items.iter().filter_map(explain).collect()
}
