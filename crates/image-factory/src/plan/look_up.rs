//! What the registry has of all this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures_util::{StreamExt, TryStreamExt, stream};
use oci::OciError;
use registry_model::{Digest, PinnedImage, Repository};

use super::model::{Decision, InputKey, Planned, Why};
use super::options::PlanOptions;
use super::record::{ARTIFACT_TYPE, CREATED};
use super::resolve::LOOK_UPS;
use crate::{FactoryError, Images};

type Place = (Repository, InputKey);

/// What the registry has under which key.
pub(crate) type Known = BTreeMap<Place, Digest>;

/// Decides what to do about each item.
pub(crate) async fn decide<I: Images>(
    items: &mut [Planned],
    known: &Known,
    images: &I,
    options: &PlanOptions,
) -> Result<(), FactoryError> {
    let made = ages(known, images, options).await?;
    for item in items {
        let place = (item.repository.clone(), item.key.clone());
        let why = match known.get(&place) {
            _ if options.rebuild => Why::Forced,
            _ if options.offline => Why::NotAsked,
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
    Ok(())
}

/// The images of these keys. Each distinct place is asked once, all at the same time. Nothing is
/// asked if all is to be built in any case.
pub(crate) async fn look_up<'a, I: Images>(
    items: impl Iterator<Item = &'a Planned>,
    images: &I,
    options: &PlanOptions,
) -> Result<Known, FactoryError> {
    if options.rebuild || options.offline {
        return Ok(Known::new());
    }
    let distinct: BTreeSet<Place> = items
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
    known: &Known,
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
    let found: Vec<_> = stream::iter(known)
        .map(|(place, digest)| async move {
            let made = made(&place.0.at(digest.clone()), images, options).await?;
            let old = made.filter(|made| *made < limit);
            Ok::<_, FactoryError>(old.map(|made| (place.clone(), made)))
        })
        .buffer_unordered(LOOK_UPS)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// When an image was built last, as far as that is known.
///
/// Its config may tell of an earlier time: that of its base, if all that the Dockerfile adds is
/// metadata, or whatever `SOURCE_DATE_EPOCH` says. It would be built again for ever. So the time
/// is that of the newest record beside it, and the config's only where there is none.
async fn made<I: Images>(
    image: &PinnedImage,
    images: &I,
    options: &PlanOptions,
) -> Result<Option<jiff::Timestamp>, FactoryError> {
    let records = match images.referrers(image, ARTIFACT_TYPE).await {
        Ok(records) => records,
        Err(error) if error.is_retryable() => return Err(error.into()),
        Err(error) => {
            tracing::debug!(%image, %error, "nothing is noted of its age");
            Vec::new()
        }
    };
    let times = records
        .iter()
        .filter_map(|record| record.annotations.get(CREATED)?.parse().ok());
    let noted: Option<jiff::Timestamp> = times.max();
    if noted.is_some() || options.settings.source_date_epoch.is_some() {
        return Ok(noted);
    }
    let configs = images.configs(image).await?;
    Ok(configs.iter().filter_map(|config| config.created).min())
}
