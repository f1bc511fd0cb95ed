use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use oci::ImageInfo;
use registry_model::PinnedImage;

use super::report::Built;
use crate::Images;
use crate::plan::Planned;

/// Questions to the registry that are open at once.
pub(super) const LOOK_UPS: usize = 64;
const MEASURE_WITHIN: Duration = Duration::from_secs(20);

/// What is known of images.
pub(super) type Facts = BTreeMap<PinnedImage, ImageInfo>;

/// The image that an item pins no more once it pins `image`.
pub(super) fn given_up(item: &Planned, image: &PinnedImage) -> Option<PinnedImage> {
    let old = item.pinned.as_ref().filter(|old| *old != image)?;
    // Another registry may be out of reach: a mirror has its own repositories only.
    (old.repository.host() == image.repository.host()).then(|| old.clone())
}

/// What is known of images whose sizes are for people: a missing one is no failure, and none is waited
/// for long.
pub(super) async fn measure<I: Images>(wanted: BTreeSet<PinnedImage>, images: &I) -> Facts {
    stream::iter(wanted)
        .map(|image| async move {
            match images.describe(&image).await {
                Ok(info) => Some((image, info)),
                Err(error) => {
                    tracing::debug!(%image, %error, "size unknown");
                    None
                }
            }
        })
        .buffer_unordered(LOOK_UPS)
        .filter_map(std::future::ready)
        .take_until(tokio::time::sleep(MEASURE_WITHIN))
        .collect()
        .await
}

pub(super) fn fill_in(built: &mut Built, item: &Planned, facts: &Facts) {
    if item.pinned.as_ref() == Some(&built.image) {
        return;
    }
    let size = |image| Some(facts.get(image)?.compressed_size);
    built.size = size(&built.image);
    built.kind = facts.get(&built.image).map(|info| info.kind);
    if let Some(old) = &mut built.replaces {
        old.size = size(&old.image);
    }
}
