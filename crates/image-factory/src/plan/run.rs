use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use registry_model::{
    Digest, Entry, PinPlace, PinState, PinnedImage, Platform, Registry, Repository,
};
use tokio_util::sync::CancellationToken;

use super::bases::{self, Replacement};
use super::context::{View, hash_views, ignore_file};
use super::key::{KeyInputs, input_key};
use super::model::{BaseImage, BuildPlan, Decision, InputKey, Planned, Why};
use super::options::PlanOptions;
use crate::{FactoryError, Images};

/// Questions to the registry that are open at once.
const LOOK_UPS: usize = 64;

/// Decides for each entry whether it must be built, and why.
///
/// `entries` are those of `registry` to plan for; disabled ones are left out. Where registry files lie
/// in a build context, their pins do not count. Of base images, only replaced ones are asked for their
/// digest; others count as they are named in the Dockerfile.
///
/// # Errors
/// When the input is wrong (the error names the registry file), or the registry cannot be asked.
pub async fn plan<I: Images>(
    registry: &Registry,
    entries: &[&Entry],
    images: &I,
    options: &PlanOptions,
    cancel: &CancellationToken,
) -> Result<BuildPlan, FactoryError> {
    let work = async {
        let drafts = entries
            .iter()
            .filter(|entry| entry.enabled)
            .map(|entry| draft(entry, options))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        let dockerfiles = read_dockerfiles(&drafts, &options.root)?;
        let replaced = resolve_bases(&dockerfiles, images, options).await?;
        let keyed = key_all(drafts, &dockerfiles, &replaced, registry, options, cancel).await?;
        let known = match options.rebuild {
            true => Known::new(),
            false => look_up(&keyed, images).await?,
        };
        let items = keyed
            .into_iter()
            .map(|draft| draft.decide(&known, options.rebuild))
            .collect();
        Ok(BuildPlan {
            schema: 1,
            items,
            settings: options.settings.clone(),
        })
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(FactoryError::Cancelled { operation: "plan the builds" }),
        plan = work => plan,
    }
}

/// An item whose decision is still open.
#[derive(Clone, Debug)]
struct Draft {
    item: Planned,
}

/// What follows from the registry file and the options alone.
fn draft(entry: &Entry, options: &PlanOptions) -> Result<Vec<Draft>, FactoryError> {
    let file = entry.file.clone();
    let repository = repository(entry, options)?;
    let mut places: Vec<(Option<Platform>, Vec<Platform>, Option<PinnedImage>)> = Vec::new();
    for pin in &entry.pins {
        let pinned = match &pin.state {
            PinState::Pinned(image) => Some(image.clone()),
            PinState::Pending { .. } => None,
        };
        match &pin.place {
            PinPlace::Oci => places.push((None, options.platforms.clone(), pinned)),
            PinPlace::Platform(platform) if options.platforms.contains(platform) => {
                places.push((Some(platform.clone()), vec![platform.clone()], pinned));
            }
            PinPlace::Platform(_) => {}
        }
    }
    if places.is_empty() {
        return Err(FactoryError::NoPinPlace {
            file,
            platforms: options.platforms.clone(),
        });
    }
    Ok(places
        .into_iter()
        .map(|(pin_platform, platforms, pinned)| Draft {
            item: Planned {
                reference: entry.reference.clone(),
                file: file.clone(),
                pin_platform,
                pinned,
                repository: repository.clone(),
                context: entry.build.context.clone(),
                dockerfile: entry.build.dockerfile.clone(),
                target: entry.build.target.clone(),
                args: entry.build.args.clone(),
                platforms,
                base_images: Vec::new(),
                key: InputKey::new([0; 32]),
                decision: Decision::Build { why: Why::Forced },
            },
        })
        .collect())
}

fn repository(entry: &Entry, options: &PlanOptions) -> Result<Repository, FactoryError> {
    let file = || entry.file.clone();
    let bad = |source| FactoryError::BadRepository {
        file: file(),
        source,
    };
    let repository = match (&entry.repository, &options.image_prefix) {
        (Some(own), _) => own.clone(),
        (None, Some(prefix)) => entry.repository(prefix).map_err(bad)?,
        (None, None) => return Err(FactoryError::NoRepository { file: file() }),
    };
    match &options.registry_host {
        Some(host) => repository.with_host(host).map_err(bad),
        None => Ok(repository),
    }
}

/// The bytes of each Dockerfile; also checks that the contexts are there.
fn read_dockerfiles(
    drafts: &[Draft],
    root: &Path,
) -> Result<BTreeMap<PathBuf, Vec<u8>>, FactoryError> {
    let mut dockerfiles = BTreeMap::new();
    for Draft { item, .. } in drafts {
        if !root.join(&item.context).is_dir() {
            return Err(FactoryError::NoContext {
                file: item.file.clone(),
                context: item.context.clone(),
            });
        }
        if dockerfiles.contains_key(&item.dockerfile) {
            continue;
        }
        let full = root.join(&item.dockerfile);
        if !full.is_file() {
            return Err(FactoryError::NoDockerfile {
                file: item.file.clone(),
                dockerfile: item.dockerfile.clone(),
            });
        }
        let bytes = std::fs::read(&full).map_err(|source| FactoryError::Read {
            path: item.dockerfile.clone(),
            source,
        })?;
        dockerfiles.insert(item.dockerfile.clone(), bytes);
    }
    Ok(dockerfiles)
}

/// The replaced base images of each Dockerfile, tags turned into digests.
async fn resolve_bases<'a, I: Images>(
    dockerfiles: &'a BTreeMap<PathBuf, Vec<u8>>,
    images: &I,
    options: &PlanOptions,
) -> Result<BTreeMap<&'a Path, Vec<BaseImage>>, FactoryError> {
    let used: BTreeMap<&Path, Vec<(String, &str)>> = dockerfiles
        .iter()
        .map(|(path, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            (path.as_path(), bases::used(&text, &options.base_images))
        })
        .collect();
    let distinct: BTreeSet<&str> = used.values().flatten().map(|(_, to)| *to).collect();
    let resolved: BTreeMap<&str, String> = stream::iter(distinct)
        .map(|reference| async move {
            let exact = match bases::replacement(reference) {
                Replacement::Fixed(exact) => exact,
                Replacement::Tagged { repository, tag } => {
                    match images.resolve(&repository, &tag).await? {
                        Some(digest) => repository.at(digest).to_string(),
                        // Then only the engine may have it; if not, the build says so.
                        None => reference.to_owned(),
                    }
                }
            };
            Ok::<_, FactoryError>((reference, exact))
        })
        .buffer_unordered(LOOK_UPS)
        .try_collect()
        .await?;
    Ok(used
        .into_iter()
        .map(|(path, names)| {
            let bases = names.into_iter().map(|(name, reference)| BaseImage {
                name,
                reference: resolved[reference].clone(),
            });
            (path, bases.collect())
        })
        .collect())
}

async fn key_all(
    mut drafts: Vec<Draft>,
    dockerfiles: &BTreeMap<PathBuf, Vec<u8>>,
    replaced: &BTreeMap<&Path, Vec<BaseImage>>,
    registry: &Registry,
    options: &PlanOptions,
    cancel: &CancellationToken,
) -> Result<Vec<Draft>, FactoryError> {
    let view = |item: &Planned| View {
        context: item.context.clone(),
        ignore_file: ignore_file(&options.root, &item.context, &item.dockerfile),
    };
    let of_draft: Vec<View> = drafts.iter().map(|draft| view(&draft.item)).collect();
    let views: BTreeSet<View> = of_draft.iter().cloned().collect();
    // The child token also ends the reading when this future is dropped.
    let cancel = cancel.child_token();
    let _guard = cancel.clone().drop_guard();
    let root = options.root.clone();
    let files = registry.entries.iter().map(|entry| entry.file.clone());
    let registry_files: BTreeSet<PathBuf> = files.collect();
    let hashing =
        tokio::task::spawn_blocking(move || hash_views(&root, &views, &registry_files, &cancel));
    let contexts = hashing.await.map_err(|_| FactoryError::Cancelled {
        operation: "read the build contexts",
    })??;
    for (Draft { item, .. }, view) in drafts.iter_mut().zip(&of_draft) {
        item.base_images = replaced[item.dockerfile.as_path()].clone();
        item.key = input_key(&KeyInputs {
            dockerfile: &dockerfiles[&item.dockerfile],
            context: contexts[view],
            target: item.target.as_deref(),
            args: &item.args,
            platforms: &item.platforms,
            base_images: &item.base_images,
        });
    }
    Ok(drafts)
}

type Known = BTreeMap<(Repository, InputKey), Digest>;

/// What the registry has of all this. Each distinct place is asked once, all at the same time.
async fn look_up<I: Images>(drafts: &[Draft], images: &I) -> Result<Known, FactoryError> {
    let distinct: BTreeSet<(Repository, InputKey)> = drafts
        .iter()
        .map(|draft| (draft.item.repository.clone(), draft.item.key.clone()))
        .collect();
    let found: Vec<_> = stream::iter(distinct)
        .map(|place| async move {
            let digest = images.resolve(&place.0, &place.1.tag()).await?;
            Ok::<_, FactoryError>(digest.map(|digest| (place, digest)))
        })
        .buffer_unordered(LOOK_UPS)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

impl Draft {
    fn decide(self, known: &Known, rebuild: bool) -> Planned {
        let Self { mut item } = self;
        let place = (item.repository.clone(), item.key.clone());
        item.decision = match known.get(&place) {
            _ if rebuild => Decision::Build { why: Why::Forced },
            Some(digest) => Decision::Reuse {
                digest: digest.clone(),
            },
            None if item.pinned.is_some() => Decision::Build {
                why: Why::InputsChanged,
            },
            None => Decision::Build {
                why: Why::FirstBuild,
            },
        };
        item
    }
}
