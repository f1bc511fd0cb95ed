//! Which images a Dockerfile is built from, as exactly as it can be known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};
use oci::OciError;
use registry_model::PinnedImage;

use super::dockerfile::{Analysis, Asked, Base, Visible, asked, familiar, replacement};
use super::inputs::Prepared;
use super::model::{BaseImage, Planned};
use super::options::PlanOptions;
use crate::{FactoryError, Images};

/// Questions to the registry that are open at once.
pub(crate) const LOOK_UPS: usize = 64;

/// Instructions of a base image that are kept, in bytes; one with more may do anything.
const LONGEST_TRIGGERS: usize = 16 * 1024;

/// The names of the images of one Dockerfile, and where each is to be found.
type Names = BTreeMap<String, Asked>;

/// Where a name was found first.
#[derive(Clone, Copy)]
struct Place<'a> {
    dockerfile: &'a Path,
    line: usize,
    name: &'a str,
}

/// The base images of each item. Each distinct one is asked for once, all at the same time.
pub(crate) async fn base_images<I: Images>(
    items: &[Planned],
    prepared: &[Prepared],
    images: &I,
    options: &PlanOptions,
) -> Result<Vec<Vec<BaseImage>>, FactoryError> {
    let replaced: Names = options
        .base_images
        .iter()
        .map(|(name, by)| (familiar(name), replacement(by)))
        .collect();
    let names: Vec<Names> = prepared
        .iter()
        .map(|prepared| names(&prepared.analysis, &replaced))
        .collect();
    let exact = exact(items, prepared, &names, images, options).await?;
    let triggers = triggers(prepared, &names, &exact, images, options).await?;
    Ok(names
        .iter()
        .map(|names| {
            let images = names.iter().map(|(name, asked)| {
                let found = exact.get(asked);
                BaseImage {
                    name: name.clone(),
                    reference: found.map_or_else(|| asked.to_string(), ToString::to_string),
                    on_build: found.and_then(|image| triggers.get(image).cloned()),
                }
            });
            images.collect()
        })
        .collect())
}

/// If it is not certain what a Dockerfile is built from, everything that is replaced counts: one too
/// many costs a rebuild when that moves, one too few builds on the wrong base.
fn names(analysis: &Analysis, replaced: &Names) -> Names {
    let Some(bases) = &analysis.bases else {
        return replaced.clone();
    };
    bases
        .keys()
        .map(|name| {
            let by = replaced.get(name).cloned();
            (name.clone(), by.unwrap_or_else(|| asked(name)))
        })
        .collect()
}

/// What each image is, by digest. Those that only the engine can know are not in it.
async fn exact<'a, I: Images>(
    items: &'a [Planned],
    prepared: &'a [Prepared],
    names: &'a [Names],
    images: &I,
    options: &PlanOptions,
) -> Result<BTreeMap<&'a Asked, PinnedImage>, FactoryError> {
    let mut exact = BTreeMap::new();
    let mut open: BTreeMap<&Asked, Place<'_>> = BTreeMap::new();
    for ((item, prepared), names) in items.iter().zip(prepared).zip(names) {
        let known = prepared.analysis.bases.as_ref();
        for (name, asked) in names {
            match asked {
                Asked::Exact(image) => drop(exact.insert(asked, image.clone())),
                Asked::Tagged { .. } if !options.offline => {
                    let line = known.and_then(|bases| Some(bases.get(name)?.line));
                    open.entry(asked).or_insert(Place {
                        dockerfile: &item.dockerfile,
                        line: line.unwrap_or(1),
                        name,
                    });
                }
                Asked::Tagged { .. } | Asked::Engine(_) => {}
            }
        }
    }
    let found: Vec<_> = stream::iter(open)
        .map(|(asked, place)| async move {
            let image = ask(asked, place, images).await?;
            Ok::<_, FactoryError>(image.map(|image| (asked, image)))
        })
        .buffer_unordered(LOOK_UPS)
        .try_collect()
        .await?;
    exact.extend(found.into_iter().flatten());
    Ok(exact)
}

async fn ask<I: Images>(
    asked: &Asked,
    place: Place<'_>,
    images: &I,
) -> Result<Option<PinnedImage>, FactoryError> {
    let Asked::Tagged { repository, tag } = asked else {
        return Ok(None);
    };
    let missing = match images.resolve(repository, tag).await {
        Ok(Some(digest)) => return Ok(Some(repository.at(digest))),
        Ok(None) => "the registry does not have it",
        // Docker Hub does not tell what is private from what is not there.
        Err(OciError::Unauthorized { .. } | OciError::Forbidden { .. })
            if repository.host() == "docker.io" =>
        {
            "Docker Hub does not show it"
        }
        Err(source) => {
            return Err(FactoryError::NoBaseImage {
                dockerfile: place.dockerfile.to_path_buf(),
                line: place.line,
                name: place.name.to_owned(),
                source,
            });
        }
    };
    tracing::warn!(
        "base image `{}` of {}:{} counts by its name only: {missing}",
        place.name,
        place.dockerfile.display(),
        place.line
    );
    Ok(None)
}

/// What the images at the beginning of stages add to a Dockerfile. It is asked only if something
/// follows from it: who sees the whole context anyway sees no more.
async fn triggers<I: Images>(
    prepared: &[Prepared],
    names: &[Names],
    exact: &BTreeMap<&Asked, PinnedImage>,
    images: &I,
    options: &PlanOptions,
) -> Result<BTreeMap<PinnedImage, Vec<String>>, FactoryError> {
    if options.offline {
        return Ok(BTreeMap::new());
    }
    let mut open = BTreeSet::new();
    for (prepared, names) in prepared.iter().zip(names) {
        if prepared.analysis.visible == Visible::Everything {
            continue;
        }
        for (name, Base { begins, .. }) in prepared.analysis.bases.iter().flatten() {
            let image = names.get(name).and_then(|asked| exact.get(asked));
            open.extend(image.filter(|_| *begins));
        }
    }
    let found: Vec<_> = stream::iter(open)
        .map(|image| async move {
            let configs = match images.configs(image).await {
                Ok(configs) => configs,
                // Asking again would have the same end: the same tree keeps the same key.
                Err(error) if !error.is_retryable() => {
                    tracing::debug!(%error, "the instructions of a base image are not known");
                    return Ok(None);
                }
                Err(error) => return Err(FactoryError::from(error)),
            };
            let mut lines: Vec<String> = Vec::new();
            for line in configs.iter().flat_map(|config| &config.on_build) {
                if !lines.contains(line) {
                    lines.push(line.clone());
                }
            }
            let length: usize = lines.iter().map(String::len).sum();
            let known = !configs.is_empty() && length <= LONGEST_TRIGGERS;
            Ok(known.then(|| (image.clone(), lines)))
        })
        .buffer_unordered(LOOK_UPS)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(image) => write!(f, "{image}"),
            Self::Tagged { repository, tag } => f.write_str(&repository.tagged(tag)),
            Self::Engine(name) => f.write_str(name),
        }
    }
}
