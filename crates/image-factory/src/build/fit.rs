//! Whether an image is what it is to be pinned for.
//!
//! A tag says nothing about what stands behind it: whoever may push may set it.

use oci::{ImageInfo, OciError};
use registry_model::{PinnedImage, Platform};

use crate::plan::Planned;
use crate::{FactoryError, Images};

/// Makes sure that the registry has the whole image, and that it runs where the item is to run.
pub(super) async fn confirm<I: Images>(
    image: &PinnedImage,
    item: &Planned,
    images: &I,
) -> Result<ImageInfo, FactoryError> {
    let (exists, described) = tokio::join!(images.exists(image), images.describe(image));
    if !exists? {
        return Err(FactoryError::NotInRegistry {
            image: image.clone(),
        });
    }
    let unfit = |problem| FactoryError::Unfit {
        item: item.name(),
        image: image.clone(),
        problem,
    };
    let info = described.map_err(|error| match error {
        OciError::NotAnImage { what, .. } => unfit(format!("it is {what}")),
        OciError::Malformed { problem, .. } => unfit(problem),
        error => error.into(),
    })?;
    let is_there = |wanted: &&Platform| info.platforms.iter().any(|found| serves(found, wanted));
    if item.platforms.iter().all(|wanted| is_there(&wanted)) {
        return Ok(info);
    }
    let list = |platforms: &[Platform]| {
        let names: Vec<String> = platforms.iter().map(ToString::to_string).collect();
        names.join(", ")
    };
    Err(unfit(format!(
        "it is for {}, and wanted is {}",
        list(&info.platforms),
        list(&item.platforms)
    )))
}

/// A variant that only one of them names is the usual one of its architecture: builders write `arm64`
/// as `arm64` and as `arm64/v8`.
fn serves(found: &Platform, wanted: &Platform) -> bool {
    let plain = |platform: &Platform| format!("{}/{}", platform.os(), platform.arch());
    let (usual, names) = (plain(wanted), [found.to_string(), wanted.to_string()]);
    found == wanted || (plain(found) == usual && names.contains(&usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_need_not_be_named() {
        let serves =
            |found: &str, wanted: &str| serves(&found.parse().unwrap(), &wanted.parse().unwrap());
        assert!(serves("linux/amd64", "linux/amd64"));
        assert!(serves("linux/arm64/v8", "linux/arm64"));
        assert!(serves("linux/arm64", "linux/arm64/v8"));
        assert!(!serves("linux/arm/v6", "linux/arm/v7"));
        assert!(!serves("linux/arm64", "linux/amd64"));
        assert!(!serves("linux/arm/v7", "linux/arm64"));
    }
}
