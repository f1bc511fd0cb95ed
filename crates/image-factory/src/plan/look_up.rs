//! What the registry has of all this, and why the rest must be built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures_util::{StreamExt, TryStreamExt, stream};
use oci::OciError;
use registry_model::{Digest, PinnedImage, Repository};

use super::evidence::Evidence;
use super::model::{Decision, InputKey, Planned, Why};
use super::options::PlanOptions;
use super::record::{ARTIFACT_TYPE, InputsRecord, record};
use super::resolve::LOOK_UPS;
use crate::{FactoryError, Images};

/// Records that are read at once: each may be megabytes.
const RECORDS: usize = 8;

/// The differences that a plan names.
const CHANGES: usize = 20;

type Place = (Repository, InputKey);

/// Decides what to do about each item.
pub(crate) async fn decide<I: Images>(
    items: &mut [Planned],
    evidence: &Evidence,
    images: &I,
    options: &PlanOptions,
) -> Result<(), FactoryError> {
    if options.rebuild || options.offline {
        let why = if options.rebuild {
            Why::Forced
        } else {
            Why::NotAsked
        };
        for item in items {
            item.decision = Decision::Build { why: why.clone() };
        }
        return Ok(());
    }
    let known = look_up(items, images).await?;
    let made = ages(&known, images, options).await?;
    for item in items.iter_mut() {
        let place = (item.repository.clone(), item.key.clone());
        let why = match known.get(&place) {
            Some(digest) => match made.get(&place) {
                Some(made) => Why::TooOld { made: *made },
                None => {
                    let digest = digest.clone();
                    item.decision = Decision::Reuse { digest };
                    continue;
                }
            },
            None if item.pinned.is_some() => Why::InputsChanged,
            None => Why::FirstBuild,
        };
        item.decision = Decision::Build { why };
    }
    explain(items, evidence, images, options).await;
    Ok(())
}

/// The images of these keys. Each distinct place is asked once, all at the same time.
async fn look_up<I: Images>(
    items: &[Planned],
    images: &I,
) -> Result<BTreeMap<Place, Digest>, FactoryError> {
    let distinct: BTreeSet<Place> = items
        .iter()
        .map(|item| (item.repository.clone(), item.key.clone()))
        .collect();
    let warned = Mutex::new(BTreeSet::new());
    let found: Vec<_> = stream::iter(distinct)
        .map(|place| async {
            match images.resolve(&place.0, &place.1.tag()).await {
                Ok(digest) => Ok(digest.map(|digest| (place, digest))),
                // ghcr.io says so of a package that is not there yet. Whether we may push to it is
                // asked before building.
                Err(OciError::Forbidden { .. }) => {
                    let first = warned
                        .lock()
                        .is_ok_and(|mut warned| warned.insert(place.0.clone()));
                    if first {
                        tracing::warn!(
                            "`{}` may not be read, or is not there yet: nothing of it is reused",
                            place.0
                        );
                    }
                    Ok(None)
                }
                Err(error) => Err(FactoryError::from(error)),
            }
        })
        .buffer_unordered(LOOK_UPS)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// When those images were made that are older than wanted.
async fn ages<I: Images>(
    known: &BTreeMap<Place, Digest>,
    images: &I,
    options: &PlanOptions,
) -> Result<BTreeMap<Place, jiff::Timestamp>, FactoryError> {
    let limit = options.max_age.and_then(|age| {
        let age = jiff::SignedDuration::try_from(age).ok()?;
        jiff::Timestamp::now().checked_sub(age).ok()
    });
    let Some(limit) = limit else {
        return Ok(BTreeMap::new());
    };
    if options.settings.source_date_epoch.is_some() {
        tracing::warn!(
            "`max-age` has no effect: with SOURCE_DATE_EPOCH images do not say their age"
        );
        return Ok(BTreeMap::new());
    }
    let found: Vec<_> = stream::iter(known)
        .map(|(place, digest)| async move {
            let configs = images.configs(&place.0.at(digest.clone())).await?;
            let made = configs.iter().filter_map(|config| config.created).min();
            let old = made.filter(|made| *made < limit);
            Ok::<_, FactoryError>(old.map(|made| (place.clone(), made)))
        })
        .buffer_unordered(LOOK_UPS)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Finds out what changed since the pin of each item that must be built, from the record beside the
/// pinned image. That is for people: nothing depends on it, and nothing fails by it.
async fn explain<I: Images>(
    items: &mut [Planned],
    evidence: &Evidence,
    images: &I,
    options: &PlanOptions,
) {
    let mut open: BTreeMap<PinnedImage, Vec<usize>> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let why = Why::InputsChanged;
        if let (Some(pinned), true) = (&item.pinned, item.decision == Decision::Build { why }) {
            open.entry(pinned.clone()).or_default().push(index);
        }
    }
    let items_now: &[Planned] = items;
    let explained: Vec<(usize, Why)> = stream::iter(open)
        .map(|(pinned, indexes)| async move {
            let Some(old) = newest_record(&pinned, images).await else {
                return Vec::new();
            };
            let explain = |index: usize| {
                let new = record(evidence, items_now.get(index)?, &options.settings)?;
                let mut changes = old.diff(&new);
                let more = changes.len().saturating_sub(CHANGES);
                changes.truncate(CHANGES);
                let since = pinned.digest.clone();
                (!changes.is_empty()).then_some((
                    index,
                    Why::Changed {
                        since,
                        changes,
                        more,
                    },
                ))
            };
            indexes.into_iter().filter_map(explain).collect()
        })
        .buffer_unordered(RECORDS)
        .collect::<Vec<_>>()
        .await
        .concat();
    for (index, why) in explained {
        if let Some(item) = items.get_mut(index) {
            item.decision = Decision::Build { why };
        }
    }
}

async fn newest_record<I: Images>(pinned: &PinnedImage, images: &I) -> Option<InputsRecord> {
    let read = async {
        let all = images.referrers(pinned, ARTIFACT_TYPE).await?;
        match all.last() {
            Some(newest) => images.artifact(&newest.manifest).await.map(Some),
            None => Ok(None),
        }
    };
    let bytes = match read.await {
        Ok(bytes) => bytes?,
        Err(error) => {
            tracing::debug!(%pinned, %error, "no inputs record to compare with");
            return None;
        }
    };
    match InputsRecord::from_bytes(&bytes) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::debug!(%pinned, %error, "the inputs record is of no use");
            None
        }
    }
}
