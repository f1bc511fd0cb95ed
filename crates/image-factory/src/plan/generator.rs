//! Which image makes the SBOMs, as exactly as it can be known.

use super::dockerfile::{Asked, asked};
use super::model::{BaseImage, Sbom};
use super::options::PlanOptions;
use crate::{FactoryError, Images};

/// The image that makes the SBOMs, if the settings name one. It is asked for once a plan.
pub(crate) async fn sbom_generator<I: Images>(
    images: &I,
    options: &PlanOptions,
) -> Result<Option<BaseImage>, FactoryError> {
    let name = match &options.settings.sbom {
        Sbom::No => return Ok(None),
        Sbom::Standard => {
            tracing::warn!(
                "what makes the SBOMs is Docker's `docker/buildkit-syft-scanner:stable-1`, which \
                 moves: nothing is built again when it does; name an image with `sbom` below \
                 `build` in `pipeline.yml`"
            );
            return Ok(None);
        }
        Sbom::By(name) => name,
    };
    let missing = |source| FactoryError::NoSbomGenerator {
        name: name.clone(),
        source,
    };
    let asked = asked(name);
    let reference = match &asked {
        Asked::Exact(image) => image.to_string(),
        Asked::Tagged { .. } if options.offline => asked.to_string(),
        Asked::Tagged { repository, tag } => match images.resolve(repository, tag).await {
            Ok(Some(digest)) => repository.at(digest).to_string(),
            Ok(None) => return Err(missing(None)),
            Err(source) => return Err(missing(Some(source))),
        },
        // BuildKit takes it from registries only.
        Asked::Engine(_) => return Err(missing(None)),
    };
    Ok(Some(BaseImage {
        name: name.clone(),
        reference,
        id: None,
        on_build: None,
        shadowed: false,
        makes_sbom: true,
    }))
}
