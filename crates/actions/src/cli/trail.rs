//! Where the images that a stage has in hand stand, for the summary of its job.

mod stages;

pub(super) use stages::{of_acceptance, of_build, of_deploy, of_pin, of_plan, of_promotion};

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use promotion::board::{self, MOST_ROWS, Seen, Stop, Trail};
use registry_model::{Environment, PinnedImage, Platform, ProcessorRef};
use tokio_util::sync::CancellationToken;

use super::context::{Context, set};
use super::gather::{read_receipts, standing};
use super::summary;
use crate::config::Config;

/// A summary is not worth more of a job's time.
const PATIENCE: Duration = Duration::from_secs(15);

/// One image of a stage.
#[derive(Clone, Debug)]
pub(super) struct InHand {
    pub(super) reference: ProcessorRef,
    /// The platform, when the processor has an image for each.
    pub(super) platform: Option<Platform>,
    /// None when it is still to be built.
    pub(super) image: Option<PinnedImage>,
    /// What the stage itself found out, which receipts do not tell yet.
    pub(super) found: Option<(Found, Stop)>,
}

/// What a stage finds out about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Whether it was accepted.
    Accepted,
    /// Whether it is in an environment.
    In(Environment),
}

/// Where a stage looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// A git clone, or the folder of it with the registry files.
    pub(super) root: &'a Path,
    pub(super) config: &'a Config,
    /// Whether registries may be asked.
    pub(super) online: bool,
}

impl<'a> From<&'a Context> for Place<'a> {
    fn from(context: &'a Context) -> Self {
        Self {
            root: &context.root,
            config: &context.config,
            online: true,
        }
    }
}

/// Appends where the images stand to the summary of the job, when there is one. The branches are
/// those of the clone, and each image's receipts are asked for once; what cannot be asked in a few
/// seconds is shown as not asked, and no stage fails because of it.
pub(super) async fn tell(place: Place<'_>, hand: &[InHand], cancel: &CancellationToken) {
    if set("GITHUB_STEP_SUMMARY").is_none() {
        return;
    }
    let environments = place.config.environments();
    // What is not shown is not asked about.
    let shown = &hand[..hand.len().min(MOST_ROWS)];
    let look = look(place, &environments, shown, cancel);
    let looked = tokio::time::timeout(PATIENCE, look).await;
    let seen = looked.unwrap_or_else(|_| Seen {
        places: environments.iter().map(|one| (one.clone(), None)).collect(),
        judged: BTreeMap::new(),
    });
    let trails: Vec<Trail> = hand.iter().map(|one| one.trail(&seen)).collect();
    if let Err(failure) = summary::write(|| board::summary(&environments, &trails)) {
        tracing::warn!("failed to {}", failure.error);
    }
}

async fn look(
    place: Place<'_>,
    environments: &[Environment],
    hand: &[InHand],
    cancel: &CancellationToken,
) -> Seen {
    let images = hand.iter().filter_map(|one| one.image.as_ref());
    let images: BTreeSet<&PinnedImage> = images.filter(|_| place.online).collect();
    let images: Vec<PinnedImage> = images.into_iter().cloned().collect();
    let places = environments.iter().map(async |one| {
        let read = standing(place.root, one, cancel).await;
        (one.clone(), read.ok())
    });
    let (places, judged) = tokio::join!(
        futures_util::future::join_all(places),
        read_receipts(place.root, place.config, &images, cancel),
    );
    let judged = images.into_iter().zip(judged.into_iter().flatten());
    Seen {
        places,
        judged: judged
            .filter_map(|(image, judged)| Some((image, judged.ok()?)))
            .collect(),
    }
}

impl InHand {
    fn trail(&self, seen: &Seen) -> Trail {
        let mut trail = seen.trail(&self.reference, self.platform.as_ref(), self.image.as_ref());
        if let Some((what, stop)) = &self.found {
            let place = match what {
                Found::Accepted => Some(&mut trail.accepted),
                Found::In(environment) => {
                    let mut names = seen.places.iter().map(|(name, _)| name);
                    let index = names.position(|name| name == environment);
                    index.and_then(|index| trail.places.get_mut(index))
                }
            };
            if let Some(place) = place {
                place.clone_from(stop);
            }
        }
        trail
    }
}
