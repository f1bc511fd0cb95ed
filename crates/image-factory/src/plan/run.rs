use std::path::{Path, PathBuf};
use std::sync::Arc;

use registry_model::{Entry, PinPlace, PinState, PinnedImage, Platform, Registry, Repository};
use tokio_util::sync::CancellationToken;

use super::evidence::Evidence;
use super::explain::explain;
use super::generator::sbom_generator;
use super::inputs::{self, Prepared};
use super::look_up::{decide, look_up};
use super::model::{BuildPlan, Decision, ImageSettings, InputKey, Planned, Why};
use super::options::PlanOptions;
use super::resolve::{ask_for_triggers, base_images};
use super::tree::{Disk, Facts, Files, Git, interrupted, on_threads};
use crate::{FactoryError, Images};

/// Decides for each entry whether it must be built, and why.
///
/// `entries` are those of `registry` to plan for; disabled ones are left out. Where registry files lie
/// in a build context, their pins do not count. Each distinct base image and each distinct key is
/// one question to a registry.
///
/// # Errors
/// When the input is wrong (the error names the registry file), a base image cannot be looked up (it
/// names the line of the Dockerfile), or the registry cannot be asked.
pub async fn plan<I: Images>(
    registry: &Registry,
    entries: &[&Entry],
    images: &I,
    options: &PlanOptions,
    cancel: &CancellationToken,
) -> Result<BuildPlan, FactoryError> {
    let work = async {
        let mut items = Vec::new();
        for entry in entries.iter().filter(|entry| entry.enabled) {
            let repository = repository(entry, options)?;
            items.extend(draft(entry, &repository, &options.platforms)?);
        }
        let files = Files::of(options);
        let reading = files.clone();
        let prepare = in_background(cancel, move |_| {
            let prepared = inputs::prepare(&reading, &items)?;
            Ok((items, prepared))
        });
        let (git, prepared) = futures_util::join!(open_git(&options.root, cancel), prepare);
        let (mut items, prepared) = prepared?;
        let (bases, generator) = futures_util::try_join!(
            base_images(&items, &prepared, images, options),
            sbom_generator(images, options),
        )?;
        for (item, bases) in items.iter_mut().zip(bases) {
            item.base_images = bases;
            item.base_images.extend(generator.clone());
        }
        let work = Work {
            files,
            git: Arc::new(git),
            registry_files: registry_files(registry),
            settings: options.settings.clone(),
        };
        // Base images hardly ever add anything to a Dockerfile, and to ask each of them costs pulls
        // that registries count. So the keys are first made as if they added nothing. An image
        // under such a key proves it; the base images of the others are asked.
        let (mut items, prepared, mut evidence) = work.clone().key(items, prepared, cancel).await?;
        let mut known = look_up(items.iter(), images, options).await?;
        let supposed: Vec<InputKey> = items.iter().map(|item| item.key.clone()).collect();
        if ask_for_triggers(&mut items, &prepared, &known, images).await? {
            (items, _, evidence) = work.key(items, prepared, cancel).await?;
            let changed = items.iter().zip(&supposed);
            let changed = changed.filter(|(item, supposed)| item.key != **supposed);
            known.extend(look_up(changed.map(|(item, _)| item), images, options).await?);
        }
        inputs::warn_of_git(&items, &evidence);
        decide(&mut items, &known, images, options).await?;
        explain(&mut items, &evidence, images, options, cancel).await;
        let mut plan = BuildPlan::new(items, options.settings.clone());
        plan.evidence = evidence;
        Ok(plan)
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(FactoryError::Cancelled { operation: "plan the builds" }),
        plan = work => plan,
    }
}

/// What git knows of the files below `root`.
pub(crate) async fn open_git(root: &Path, cancel: &CancellationToken) -> Git {
    let facts = Facts::of(root, cancel).await;
    let root = root.to_path_buf();
    let opened = in_background(cancel, move |_| Ok(Git::open(&root, facts))).await;
    opened.unwrap_or_else(|_| Git::none())
}

/// Runs what reads many files where it holds nobody up. It ends early when it is cancelled or when
/// nobody waits for it any more.
pub(crate) async fn in_background<T: Send + 'static>(
    cancel: &CancellationToken,
    work: impl FnOnce(CancellationToken) -> Result<T, FactoryError> + Send + 'static,
) -> Result<T, FactoryError> {
    let cancel = cancel.child_token();
    let _guard = cancel.clone().drop_guard();
    match tokio::task::spawn_blocking(move || on_threads(|| work(cancel))).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(interrupted()),
        },
    }
}

pub(crate) fn registry_files(registry: &Registry) -> Vec<PathBuf> {
    let files = registry.entries.iter().map(|entry| entry.file.clone());
    files.collect()
}

/// What keys are made from.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) files: Files,
    pub(crate) git: Arc<Git>,
    /// Of these, the pins do not count.
    pub(crate) registry_files: Vec<PathBuf>,
    pub(crate) settings: ImageSettings,
}

impl Work {
    /// Gives each item its key.
    pub(crate) async fn key(
        self,
        mut items: Vec<Planned>,
        prepared: Vec<Prepared>,
        cancel: &CancellationToken,
    ) -> Result<(Vec<Planned>, Vec<Prepared>, Evidence), FactoryError> {
        in_background(cancel, move |cancel| {
            let disk = Disk::new(self.files, self.git, &self.registry_files, cancel);
            let (made, trees) = inputs::keys(&disk, &items, &prepared, &self.settings)?;
            for (item, made) in items.iter_mut().zip(&made) {
                item.key = made.key.clone();
            }
            Ok((items, prepared, Evidence::new(made, trees)))
        })
        .await
    }
}

/// What follows from the registry file and the options alone.
pub(crate) fn draft(
    entry: &Entry,
    repository: &Repository,
    wanted: &[Platform],
) -> Result<Vec<Planned>, FactoryError> {
    let file = entry.file.clone();
    let mut places: Vec<(Option<Platform>, Vec<Platform>, Option<PinnedImage>)> = Vec::new();
    for pin in &entry.pins {
        let pinned = match &pin.state {
            PinState::Pinned(image) => Some(image.clone()),
            PinState::Pending { .. } => None,
        };
        match &pin.place {
            PinPlace::Oci => places.push((None, wanted.to_vec(), pinned)),
            PinPlace::Platform(platform) if wanted.contains(platform) => {
                places.push((Some(platform.clone()), vec![platform.clone()], pinned));
            }
            PinPlace::Platform(_) => {}
        }
    }
    if places.is_empty() {
        return Err(FactoryError::NoPinPlace {
            file,
            platforms: wanted.to_vec(),
        });
    }
    Ok(places
        .into_iter()
        .map(|(pin_platform, platforms, pinned)| Planned {
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
            decision: Decision::Build { why: Why::NotAsked },
        })
        .collect())
}

/// Where the images of an entry go.
///
/// # Errors
/// [`FactoryError::NoRepository`], [`FactoryError::BadRepository`].
pub fn repository(entry: &Entry, options: &PlanOptions) -> Result<Repository, FactoryError> {
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
