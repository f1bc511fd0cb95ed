//! Why what must be built is not what is pinned.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use oci::Referrer;
use registry_model::PinnedImage;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::evidence::Evidence;
use super::model::{Decision, ImageSettings, InputKey, Planned, Why};
use super::options::PlanOptions;
use super::record::{ARTIFACT_TYPE, CREATED, InputsRecord, LONGEST_PACKED, outline, record};
use super::resolve::LOOK_UPS;
use super::run::in_background;
use crate::Images;

/// Bytes of records that are held at once, packed.
const HELD: usize = 32 * 1024 * 1024;

/// The records beside an image have room for this many bytes at first, packed: nearly all fit. Those
/// that do not have to wait for [`LONGEST_PACKED`].
const SMALL: usize = HELD / LOOK_UPS;

/// Records that are unpacked and compared at once: each may grow to 64 MiB.
const COMPARED: usize = 4;

/// To wait longer helps nobody.
const WITHIN: Duration = Duration::from_secs(20);

/// An image that came out the same from other inputs has a record of each; this many are read.
const RECORDS: usize = 4;

/// The differences that a plan names.
const CHANGES: usize = 20;

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
    let (held, compared) = (Semaphore::new(HELD), Semaphore::new(COMPARED));
    let all = open.len();
    let explained: Vec<Vec<(usize, Why)>> = stream::iter(open)
        .map(|(pinned, items)| {
            let (held, compared) = (&held, &compared);
            async move {
                let listed = listed(&pinned, images).await;
                let mut explained = Vec::new();
                if listed.is_empty() {
                    return explained;
                }
                for room in [SMALL, LONGEST_PACKED] {
                    // A semaphore that is never closed never refuses.
                    let permits = u32::try_from(room).unwrap_or(u32::MAX);
                    let Ok(_held) = held.acquire_many(permits).await else {
                        break;
                    };
                    let Some(records) = records(&listed, room, images).await else {
                        continue;
                    };
                    let Ok(_turn) = compared.acquire().await else {
                        break;
                    };
                    let (evidence, settings) = (evidence.clone(), options.settings.clone());
                    let compare = move |cancel: CancellationToken| {
                        Ok(compare(
                            &pinned, &records, &items, &evidence, &settings, &cancel,
                        ))
                    };
                    explained = in_background(cancel, compare).await.unwrap_or_default();
                    break;
                }
                explained
            }
        })
        .buffer_unordered(LOOK_UPS)
        .take_until(tokio::time::sleep(WITHIN))
        .collect()
        .await;
    if explained.len() < all {
        let seconds = WITHIN.as_secs();
        tracing::warn!("what changed since some of the pins was not found out in {seconds} s");
    }
    for (index, why) in explained.into_iter().flatten() {
        if let Some(item) = items.get_mut(index) {
            item.decision = Decision::Build { why };
        }
    }
}

/// The record of what an image was built from under this key, if there is one.
pub(crate) async fn recorded<I: Images>(
    image: &PinnedImage,
    key: &InputKey,
    images: &I,
) -> Option<InputsRecord> {
    let listed = listed(image, images).await;
    let records = records(&listed, LONGEST_PACKED, images).await?;
    let mut records = records
        .iter()
        .filter_map(|bytes| InputsRecord::from_bytes(bytes).ok());
    records.find(|record| record.key == *key)
}

/// The records that an image has, the newest first as far as they tell.
async fn listed<I: Images>(pinned: &PinnedImage, images: &I) -> Vec<Referrer> {
    let mut all = match images.referrers(pinned, ARTIFACT_TYPE).await {
        Ok(all) => all,
        Err(error) => {
            tracing::debug!(%pinned, %error, "no inputs record to compare with");
            return Vec::new();
        }
    };
    all.sort_by_cached_key(|one| one.annotations.get(CREATED).cloned());
    all.reverse();
    all
}

/// The newest of these records, as many as have room. `None` if the room is less than a record may need
/// and one has none.
async fn records<I: Images>(listed: &[Referrer], room: usize, images: &I) -> Option<Vec<Vec<u8>>> {
    let mut left = room;
    let mut records = Vec::new();
    for one in listed.iter().take(RECORDS) {
        match images.artifact(&one.manifest, left).await {
            Ok(Some(bytes)) => {
                left = left.saturating_sub(bytes.len());
                records.push(bytes);
            }
            Ok(None) if room < LONGEST_PACKED => return None,
            Ok(None) => break,
            Err(error) => tracing::debug!(%error, "an inputs record cannot be read"),
        }
    }
    Some(records)
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
        let nearest = olds.iter().map(|old| old.diff(&new));
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
