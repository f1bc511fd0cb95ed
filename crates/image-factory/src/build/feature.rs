use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::cache::{Cache, CacheKind};
use super::options::BuildOptions;
use super::target::Target;
use crate::plan::{BaseImage, ImageSettings};

/// Something that not every engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Base images by digest, or others than a Dockerfile names.
    NamedContexts,
    /// One image for several platforms.
    SeveralPlatforms,
    /// Provenance or SBOM.
    Attestations,
    /// Annotations of the manifest.
    Annotations,
    /// The same times in every build.
    ReproducibleTimes,
    /// Keeping build steps for others, or taking them from the cache of GitHub Actions.
    CacheExport,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NamedContexts => "take base images by digest",
            Self::SeveralPlatforms => "build one image for several platforms",
            Self::Attestations => "attach provenance or an SBOM",
            Self::Annotations => "annotate images",
            Self::ReproducibleTimes => "set all times in an image (SOURCE_DATE_EPOCH)",
            Self::CacheExport => "keep build steps in a cache of others (cache-to, or type=gha)",
        })
    }
}

/// What the engine must be able to do to build `targets`.
pub(super) fn wanted(
    targets: &[Target<'_>],
    settings: &ImageSettings,
    options: &BuildOptions,
) -> BTreeSet<Feature> {
    let any = |wants: fn(&Target<'_>) -> bool| targets.iter().any(wants);
    let gha = |cache: &Cache| cache.kind() == CacheKind::Gha;
    let caches = !options.cache_to.is_empty() || options.cache_from.iter().any(gha);
    [
        (
            any(|target| {
                target
                    .item
                    .base_images
                    .iter()
                    .any(BaseImage::is_named_context)
            }),
            Feature::NamedContexts,
        ),
        (
            any(|target| target.item.platforms.len() > 1),
            Feature::SeveralPlatforms,
        ),
        (settings.is_attested(), Feature::Attestations),
        (!settings.annotations.is_empty(), Feature::Annotations),
        (
            settings.source_date_epoch.is_some(),
            Feature::ReproducibleTimes,
        ),
        (caches, Feature::CacheExport),
    ]
    .into_iter()
    .filter_map(|(is_wanted, feature)| is_wanted.then_some(feature))
    .collect()
}
