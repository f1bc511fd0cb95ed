use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use oci::ImageInfo;
use registry_model::{PinnedImage, Platform};

use super::fit::confirm;
use super::sizes::{Facts, LOOK_UPS, given_up, measure};
use crate::plan::{BuildPlan, Planned};
use crate::{FactoryError, Images};

/// An image, and what it is to run on.
type Use<'a> = (PinnedImage, &'a [Platform]);

/// The images of a plan that are not built.
#[derive(Default)]
pub(super) struct Reused<'a> {
    /// Those that are not there or not fit, or that could not be asked for.
    gone: BTreeMap<Use<'a>, (&'a Planned, FactoryError)>,
    /// Of those that are to be pinned, and of the images they take the place of.
    pub(super) facts: Facts,
}

impl<'a> Reused<'a> {
    /// Whether the image that an item reuses is what it needs.
    pub(super) fn has(&self, image: &PinnedImage, item: &'a Planned) -> bool {
        !self
            .gone
            .contains_key(&(image.clone(), &item.platforms[..]))
    }

    /// What is wrong, and with which item.
    pub(super) fn into_failed(self) -> impl Iterator<Item = (&'a Planned, FactoryError)> {
        self.gone.into_values()
    }
}

/// Makes sure that what is reused is there and can be pinned, and measures what changes.
pub(super) async fn confirm_reused<'a, I: Images>(plan: &'a BuildPlan, images: &I) -> Reused<'a> {
    let mut uses: BTreeMap<Use<'a>, &Planned> = BTreeMap::new();
    let mut old = Vec::new();
    for item in &plan.items {
        let Some(image) = item.reused() else { continue };
        old.extend(given_up(item, &image));
        // Whoever does not pin it yet wants to know more of it.
        let known = uses.entry((image.clone(), &item.platforms)).or_insert(item);
        if item.pinned.as_ref() != Some(&image) {
            *known = item;
        }
    }
    let asked = stream::iter(uses)
        .map(|(place, item)| async move {
            let there = look(&place.0, item, images).await;
            (place, item, there)
        })
        .buffer_unordered(LOOK_UPS)
        .collect::<Vec<_>>();
    let (asked, mut facts) = tokio::join!(asked, measure(old.into_iter().collect(), images));
    let mut gone = BTreeMap::new();
    for (place, item, there) in asked {
        match there {
            Ok(info) => facts.extend(info.map(|info| (place.0, info))),
            Err(error) => {
                gone.insert(place, (item, error));
            }
        }
    }
    Reused { gone, facts }
}

/// What stands under the tag of a key is not believed before it is pinned. What is pinned already only
/// has to be there.
async fn look<I: Images>(
    image: &PinnedImage,
    item: &Planned,
    images: &I,
) -> Result<Option<ImageInfo>, FactoryError> {
    if item.pinned.as_ref() != Some(image) {
        return confirm(image, item, images).await.map(Some);
    }
    match images.exists(image).await? {
        true => Ok(None),
        false => Err(FactoryError::NotInRegistry {
            image: image.clone(),
        }),
    }
}
