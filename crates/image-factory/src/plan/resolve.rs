//! Which images a Dockerfile is built from, as exactly as it can be known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};
use oci::OciError;
use registry_model::{Digest, PinnedImage, Platform, Repository};

use super::dockerfile::{Analysis, Asked, Visible, asked, familiar, replacement};
use super::inputs::Prepared;
use super::look_up::Known;
use super::model::{BaseImage, Planned};
use super::options::PlanOptions;
use crate::{FactoryError, Images};

/// Questions to the registry that are open at once.
pub(crate) const LOOK_UPS: usize = 64;

/// Base images that are read at once: registries count these answers.
const CONFIGS: usize = 8;

/// Instructions of a base image that are kept, in bytes; one with more may do anything.
const LONGEST_TRIGGERS: usize = 16 * 1024;

/// The names of the images of one Dockerfile, and where each is to be found.
type Names = BTreeMap<String, Asked>;

/// What an image is, beyond its name.
enum Found {
    /// In a registry.
    Image(PinnedImage),
    /// In the engine: its id there.
    Id(Digest),
}

/// Where a name was found first.
#[derive(Clone, Copy)]
struct Place<'a> {
    dockerfile: &'a Path,
    line: usize,
    name: &'a str,
}

impl Place<'_> {
    fn error(&self, source: OciError) -> FactoryError {
        FactoryError::NoBaseImage {
            dockerfile: self.dockerfile.to_path_buf(),
            line: self.line,
            name: self.name.to_owned(),
            source,
        }
    }
}

/// The base images of each item. Each distinct one is asked for once, all at the same time.
///
/// What they add to Dockerfiles is supposed to be nothing where it matters and can be asked: see
/// [`ask_for_triggers`].
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
    let names: Vec<Names> = items
        .iter()
        .zip(prepared)
        .map(|(item, prepared)| names(item, &prepared.analysis, &replaced))
        .collect::<Result<_, _>>()?;
    warn_of_unknown(items, prepared);
    let exact = exact(items, prepared, &names, images, options).await?;
    let each = prepared.iter().zip(&names);
    Ok(each
        .map(|(Prepared { analysis, .. }, names)| {
            let images = names.iter().map(|(name, asked)| {
                let (found, id) = match exact.get(asked) {
                    Some(Found::Image(image)) => (Some(image), None),
                    Some(Found::Id(id)) => (None, Some(id.clone())),
                    None => (None, None),
                };
                let base = analysis.bases.get(name);
                // Who sees the whole context anyway sees no more.
                let open = analysis.visible != Visible::Everything
                    && base.is_some_and(|base| base.begins)
                    && found.is_some()
                    && !options.offline;
                BaseImage {
                    name: name.clone(),
                    reference: found.map_or_else(|| asked.to_string(), ToString::to_string),
                    id,
                    on_build: open.then(Vec::new),
                    shadowed: analysis.stages.contains(name),
                    makes_sbom: false,
                }
            });
            images.collect()
        })
        .collect())
}

/// If it is not certain what a Dockerfile is built from, everything that is replaced counts, too: one
/// too many costs a rebuild when that moves, one too few builds on the wrong base.
fn names(item: &Planned, analysis: &Analysis, replaced: &Names) -> Result<Names, FactoryError> {
    // Where a stage has the name, that is meant.
    let maybe = |name: &String| !analysis.unknown.is_empty() && !analysis.stages.contains(name);
    let maybe = replaced.iter().filter(|(name, _)| maybe(name));
    let mut names: Names = maybe.map(|(name, by)| (name.clone(), by.clone())).collect();
    for (name, base) in &analysis.bases {
        let by = replaced.get(name).cloned();
        if analysis.stages.contains(name) && by.is_some() {
            return Err(FactoryError::ShadowedBase {
                dockerfile: item.dockerfile.clone(),
                line: base.line,
                name: name.clone(),
            });
        }
        names.insert(name.clone(), by.unwrap_or_else(|| asked(name)));
    }
    Ok(names)
}

/// Says what no plan can watch, each once.
fn warn_of_unknown(items: &[Planned], prepared: &[Prepared]) {
    let mut told = BTreeSet::new();
    for (item, prepared) in items.iter().zip(prepared) {
        let Analysis {
            unknown, fetched, ..
        } = &prepared.analysis;
        for unknown in unknown {
            if told.insert((&item.dockerfile, unknown.line, &unknown.text)) {
                tracing::warn!(
                    "{}:{}: which image `{}` is cannot be told: nothing is built again when it moves",
                    item.dockerfile.display(),
                    unknown.line,
                    unknown.text.escape_debug()
                );
            }
        }
        for fetched in fetched {
            if told.insert((&item.dockerfile, fetched.line, &fetched.text)) {
                tracing::warn!(
                    "{}:{}: what `{}` fetches is not looked at: nothing is built again when it \
                     changes; give `--checksum`, or the full commit of a git repository",
                    item.dockerfile.display(),
                    fetched.line,
                    fetched.text.escape_debug()
                );
            }
        }
    }
}

/// What each image is. Those that nobody knows are not in it.
async fn exact<'a, I: Images>(
    items: &'a [Planned],
    prepared: &'a [Prepared],
    names: &'a [Names],
    images: &I,
    options: &PlanOptions,
) -> Result<BTreeMap<&'a Asked, Found>, FactoryError> {
    let mut exact = BTreeMap::new();
    let mut open: BTreeMap<&Asked, Place<'_>> = BTreeMap::new();
    for ((item, prepared), names) in items.iter().zip(prepared).zip(names) {
        for (name, asked) in names {
            match asked {
                Asked::Exact(image) => drop(exact.insert(asked, Found::Image(image.clone()))),
                _ if options.offline => {}
                Asked::Tagged { .. } | Asked::Engine(_) => {
                    open.entry(asked).or_insert(place(item, prepared, name));
                }
            }
        }
    }
    let found: Vec<_> = stream::iter(open)
        .map(|(asked, place)| async move {
            let found = ask(asked, place, images).await?;
            Ok::<_, FactoryError>(found.map(|found| (asked, found)))
        })
        .buffer_unordered(LOOK_UPS)
        .try_collect()
        .await?;
    exact.extend(found.into_iter().flatten());
    Ok(exact)
}

fn place<'a>(item: &'a Planned, prepared: &Prepared, name: &'a str) -> Place<'a> {
    Place {
        dockerfile: &item.dockerfile,
        line: prepared
            .analysis
            .bases
            .get(name)
            .map_or(1, |base| base.line),
        name,
    }
}

/// Asks the registry for an image, and the engine for one that the registry does not have: the build
/// takes it from there.
async fn ask<I: Images>(
    asked: &Asked,
    place: Place<'_>,
    images: &I,
) -> Result<Option<Found>, FactoryError> {
    let missing = match asked {
        Asked::Exact(image) => return Ok(Some(Found::Image(image.clone()))),
        Asked::Engine(_) => "the engine does not have it",
        Asked::Tagged { repository, tag } => match images.resolve(repository, tag).await {
            Ok(Some(digest)) => return Ok(Some(Found::Image(repository.at(digest)))),
            Ok(None) => "neither the registry nor the engine has it",
            Err(error) if is_hidden(&error, repository) => {
                "Docker Hub does not show it, and the engine does not have it"
            }
            Err(source) => return Err(place.error(source)),
        },
    };
    if let Some(id) = images.of_engine(&asked.to_string()).await {
        return Ok(Some(Found::Id(id)));
    }
    tracing::warn!(
        "base image `{}` of {}:{} counts by its name only: {missing}",
        place.name,
        place.dockerfile.display(),
        place.line
    );
    Ok(None)
}

/// Docker Hub does not tell what is private from what is not there. But if it does not take the
/// login, it has said nothing of the image.
fn is_hidden(error: &OciError, repository: &Repository) -> bool {
    let refused = matches!(
        error,
        OciError::Unauthorized { login: false, .. } | OciError::Forbidden { .. }
    );
    refused && repository.host() == "docker.io"
}

/// Finds out what the base images of those items add to a Dockerfile (`ONBUILD`) that are not there
/// already. Each is asked for once. Returns whether the key of any item changes by it.
///
/// `known`: what the registry has under the keys that were made supposing that they add nothing.
pub(crate) async fn ask_for_triggers<I: Images>(
    items: &mut [Planned],
    prepared: &[Prepared],
    known: &Known,
    images: &I,
) -> Result<bool, FactoryError> {
    let nothing = Some(Vec::new());
    let is_known =
        |item: &Planned| known.contains_key(&(item.repository.clone(), item.key.clone()));
    let supposed = |item: &Planned| -> Vec<(String, PinnedImage)> {
        let bases = item.base_images.iter();
        let bases = bases.filter(|base| base.on_build == nothing);
        bases
            .filter_map(|base| Some((base.name.clone(), base.reference.parse().ok()?)))
            .collect()
    };
    let mut proven: BTreeSet<(PinnedImage, &[Platform])> = BTreeSet::new();
    for item in items.iter().filter(|item| is_known(item)) {
        let images = supposed(item).into_iter();
        proven.extend(images.map(|(_, image)| (image, item.platforms.as_slice())));
    }
    let mut open: BTreeMap<(PinnedImage, &[Platform]), Place<'_>> = BTreeMap::new();
    let all: Vec<Vec<(String, PinnedImage)>> = items
        .iter()
        .map(|item| match is_known(item) {
            true => Vec::new(),
            false => supposed(item),
        })
        .collect();
    for ((item, prepared), supposed) in items.iter().zip(prepared).zip(&all) {
        for (name, image) in supposed {
            let asked = (image.clone(), item.platforms.as_slice());
            if !proven.contains(&asked) {
                open.entry(asked).or_insert(place(item, prepared, name));
            }
        }
    }
    let found: BTreeMap<(String, Vec<Platform>), Option<Vec<String>>> = stream::iter(open)
        .map(|((image, platforms), place)| async move {
            let lines = triggers(&image, platforms, place, images).await?;
            Ok::<_, FactoryError>(((image.to_string(), platforms.to_vec()), lines))
        })
        .buffer_unordered(CONFIGS)
        .try_collect()
        .await?;
    let mut changed = false;
    for item in items.iter_mut() {
        for base in item
            .base_images
            .iter_mut()
            .filter(|base| base.on_build == nothing)
        {
            let asked = (base.reference.clone(), item.platforms.clone());
            if let Some(lines) = found.get(&asked).filter(|lines| **lines != nothing) {
                base.on_build.clone_from(lines);
                changed = true;
            }
        }
    }
    Ok(changed)
}

/// What an image adds to a Dockerfile; `None` if nobody can say.
async fn triggers<I: Images>(
    image: &PinnedImage,
    platforms: &[Platform],
    place: Place<'_>,
    images: &I,
) -> Result<Option<Vec<String>>, FactoryError> {
    let configs = match images.configs_for(image, platforms).await {
        Ok(configs) => configs,
        // The Dockerfile names a digest that only the engine has.
        Err(OciError::NotFound { .. }) => return Ok(None),
        Err(error) if is_hidden(&error, &image.repository) => return Ok(None),
        Err(source) => return Err(place.error(source)),
    };
    let mut lines: Vec<String> = Vec::new();
    for line in configs.iter().flat_map(|config| &config.on_build) {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
    let length: usize = lines.iter().map(String::len).sum();
    Ok((!configs.is_empty() && length <= LONGEST_TRIGGERS).then_some(lines))
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
