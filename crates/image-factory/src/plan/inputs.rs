//! From registry files, Dockerfiles and the files they see to the keys.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::dockerfile::{Analysis, OfGit, Visible};
use super::evidence::Evidence;
use super::key::{FieldHash, KeyInputs, input_key};
use super::model::{BaseImage, ImageSettings, InputKey, Planned};
use super::tree::{Disk, Files, Picked, Tree, View, Wanted, ignore_file, ignore_file_of_context};
use crate::FactoryError;

/// What is known of an item before the registry is asked for its base images.
pub(crate) struct Prepared {
    /// The SHA-256 of the Dockerfile.
    pub(crate) dockerfile: [u8; 32],
    pub(crate) analysis: Analysis,
    view: View,
    ignore_file: Option<PathBuf>,
}

/// What a key was made of, besides what the item itself says.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) key: InputKey,
    /// The SHA-256 of the Dockerfile.
    pub(crate) dockerfile: [u8; 32],
    /// The hash of what it sees.
    pub(crate) context: [u8; 32],
    /// Which tree it sees.
    pub(crate) tree: usize,
    /// What it sees of it, by path in the context; the empty path is all of it.
    pub(crate) sees: Vec<String>,
    /// A `.git` that it sees.
    pub(crate) git: Option<OfGit>,
}

/// Reads and understands the Dockerfiles of the items, each once.
pub(crate) fn prepare(files: &Files, items: &[Planned]) -> Result<Vec<Prepared>, FactoryError> {
    let mut contexts: BTreeMap<&Path, &Planned> = BTreeMap::new();
    for item in items {
        contexts.entry(&item.context).or_insert(item);
    }
    let mut shared = BTreeMap::new();
    for (context, item) in contexts {
        if !files.root.join(context).is_dir() {
            return Err(FactoryError::NoContext {
                file: item.file.clone(),
                context: context.to_path_buf(),
            });
        }
        let file = ignore_file_of_context(&files.root, context);
        let rules = file.map(|file| (files.read(&file).ok().map(Arc::from), file));
        shared.insert(context, rules);
    }
    let prepared: Vec<Prepared> = items
        .par_iter()
        .map(|item| {
            let shared = shared.get(&*item.context).and_then(Option::as_ref);
            prepare_one(files, item, shared)
        })
        .collect::<Result<_, _>>()?;
    Ok(prepared)
}

/// Says where the builder is sent `.git`, which never counts: each once.
pub(crate) fn warn_of_git(items: &[Planned], evidence: &Evidence) {
    let mut told = BTreeSet::new();
    for item in items {
        let Some(git) = evidence
            .of(&item.key)
            .and_then(|(made, _)| made.git.as_ref())
        else {
            continue;
        };
        if !told.insert(git) {
            continue;
        }
        let what = match git.named {
            true => {
                "its history reaches the image, and no commit builds it again: give what is \
                 needed of it by a build argument"
            }
            false => "list it in `.dockerignore`",
        };
        tracing::warn!(
            "{}: the builder is sent `{}`, which does not count: {what}",
            item.dockerfile.display(),
            git.path.display()
        );
    }
}

/// The ignore file of a context, and the text of it unless it cannot be read.
type Shared = (Option<Arc<[u8]>>, PathBuf);

fn prepare_one(
    files: &Files,
    item: &Planned,
    shared: Option<&Shared>,
) -> Result<Prepared, FactoryError> {
    let bytes = files.read(&item.dockerfile).map_err(|error| {
        match files.root.join(&item.dockerfile).is_file() {
            true => error,
            false => FactoryError::NoDockerfile {
                file: item.file.clone(),
                dockerfile: item.dockerfile.clone(),
            },
        }
    })?;
    let (rules, ignore_file) = match (ignore_file(&files.root, &item.dockerfile), shared) {
        (Some(own), _) => (Some(files.read(&own)?.into()), Some(own)),
        (None, Some((Some(rules), file))) => (Some(Arc::clone(rules)), Some(file.clone())),
        (None, Some((None, file))) => (Some(files.read(file)?.into()), Some(file.clone())),
        (None, None) => (None, None),
    };
    Ok(Prepared {
        dockerfile: Sha256::digest(&bytes).into(),
        analysis: Analysis::of(&bytes, &item.args, item.target.as_deref(), &item.platforms),
        view: View {
            context: item.context.clone(),
            rules,
        },
        ignore_file,
    })
}

impl Prepared {
    /// What the Dockerfile sees, with what its base images add to it.
    fn visible(&self, base_images: &[BaseImage]) -> Visible {
        let mut visible = self.analysis.visible.clone();
        let begin = self.analysis.bases.iter().filter(|(_, base)| base.begins);
        for (name, _) in begin {
            let known = base_images.iter().find(|image| image.name == *name);
            visible = match known.and_then(|image| image.on_build.as_ref()) {
                Some(triggers) if triggers.is_empty() => visible,
                Some(triggers) => visible.with(Analysis::of_triggers(triggers)),
                None => Visible::Everything,
            };
        }
        visible
    }
}

/// The keys of items whose base images are known, and the trees they were made from.
pub(crate) fn keys(
    disk: &Disk,
    items: &[Planned],
    prepared: &[Prepared],
    settings: &ImageSettings,
) -> Result<(Vec<Made>, Vec<Tree>), FactoryError> {
    let mut visible: Vec<Visible> = items
        .par_iter()
        .zip(prepared)
        .map(|(item, prepared)| prepared.visible(&item.base_images))
        .collect();
    let mut numbers: BTreeMap<&View, usize> = BTreeMap::new();
    let mut views: Vec<(&View, Option<&Path>)> = Vec::new();
    let mut view_of: Vec<usize> = Vec::new();
    for prepared in prepared {
        let number = match numbers.entry(&prepared.view) {
            Slot::Occupied(slot) => *slot.get(),
            Slot::Vacant(slot) => {
                views.push((&prepared.view, prepared.ignore_file.as_deref()));
                *slot.insert(views.len() - 1)
            }
        };
        view_of.push(number);
    }

    let trees = trees(disk, &views, &view_of, &visible)?;
    let find_links: Vec<bool> = visible
        .par_iter()
        .zip(&view_of)
        .map(|(visible, view)| visible.pick(&trees[*view]).is_none())
        .collect();
    // Who goes through a link may see anything.
    let trees = match find_links.contains(&true) {
        false => trees,
        true => {
            for (visible, link) in visible.iter_mut().zip(find_links) {
                if link {
                    *visible = Visible::Everything;
                }
            }
            self::trees(disk, &views, &view_of, &visible)?
        }
    };

    let made = items
        .par_iter()
        .zip(prepared)
        .zip(&visible)
        .zip(&view_of)
        .map(|(((item, prepared), visible), view)| {
            let picks = visible.pick(&trees[*view]).unwrap_or_default();
            let mut context = FieldHash::default();
            for (path, picked) in &picks {
                picked.hash_into(path.as_bytes(), &mut context);
            }
            let context = context.finish();
            let key = input_key(&KeyInputs {
                dockerfile: prepared.dockerfile,
                context,
                target: item.target.as_deref(),
                args: &item.args,
                platforms: &item.platforms,
                base_images: &item.base_images,
                settings,
            });
            Made {
                key,
                dockerfile: prepared.dockerfile,
                context,
                tree: *view,
                sees: picks.into_keys().collect(),
                git: visible.of_git(&trees[*view]),
            }
        })
        .collect();
    Ok((made, trees))
}

/// What each view shows of what its items want to see.
fn trees(
    disk: &Disk,
    views: &[(&View, Option<&Path>)],
    view_of: &[usize],
    visible: &[Visible],
) -> Result<Vec<Tree>, FactoryError> {
    let mut wanted = vec![Wanted::default(); views.len()];
    for (visible, view) in visible.iter().zip(view_of) {
        visible.want(&mut wanted[*view]);
    }
    views
        .par_iter()
        .zip(&wanted)
        .map(|((view, ignore_file), wanted)| Tree::show(disk, view, *ignore_file, wanted))
        .collect()
}

impl Tree {
    /// What has this path; the empty path is the tree itself.
    pub(crate) fn at(&self, path: &str) -> Option<Picked<'_>> {
        path.split('/').filter(|part| !part.is_empty()).try_fold(
            Picked::Folder(self),
            |at, part| match at {
                Picked::Folder(tree) => tree.get(part.as_ref()),
                Picked::File(..) => None,
            },
        )
    }
}
