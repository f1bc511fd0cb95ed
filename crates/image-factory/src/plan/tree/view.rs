use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix_index::hash::ObjectId;
use rayon::prelude::*;

use super::blob::FileMode;
use super::disk::{Disk, Entry, Folder, GIT, Kind, unreadable};
use super::dockerignore::{IgnoreRules, Matched};
use crate::FactoryError;
use crate::plan::key::FieldHash;

/// Folders in folders, at most.
const DEEPEST: usize = 200;

/// A build context as one set of ignore rules shows it. Paths are relative to the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct View {
    pub(crate) context: PathBuf,
    /// The text of the ignore file, and where it stands. Equal rules show the same, wherever they
    /// stand; the first place is as good for an error as the others.
    pub(crate) rules: Option<Arc<[u8]>>,
}

/// The ignore file of a Dockerfile of its own: BuildKit takes it instead of that of the context.
pub(crate) fn ignore_file(root: &Path, dockerfile: &Path) -> Option<PathBuf> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    existing(root, PathBuf::from(own))
}

/// The ignore file of a context.
pub(crate) fn ignore_file_of_context(root: &Path, context: &Path) -> Option<PathBuf> {
    existing(root, context.join(".dockerignore"))
}

fn existing(root: &Path, file: PathBuf) -> Option<PathBuf> {
    root.join(&file).is_file().then_some(file)
}

/// Which parts of a context somebody wants to see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    all: bool,
    inside: BTreeMap<Box<OsStr>, Wanted>,
}

impl Wanted {
    pub(crate) fn everything(&mut self) {
        self.all = true;
        self.inside.clear();
    }

    fn has(&self, name: &OsStr) -> bool {
        self.all || self.inside.contains_key(name)
    }

    pub(crate) fn add<'a>(&mut self, path: impl IntoIterator<Item = &'a str>) {
        let mut at = self;
        for part in path {
            if at.all {
                return;
            }
            at = at.inside.entry(OsStr::new(part).into()).or_default();
        }
        at.everything();
    }
}

/// What a view shows of a folder.
pub(crate) struct Tree {
    folder: Arc<Folder>,
    shown: Vec<Shown>,
    /// Of all that is in it, if it was wanted whole; a folder without files has none.
    hash: Option<[u8; 32]>,
    /// The builder is sent the `.git` of this very folder.
    pub(crate) git: bool,
    /// The builder is sent the `.git` of this folder, or of one below.
    pub(crate) any_git: bool,
}

struct Shown {
    /// Which entry of the folder.
    entry: u32,
    what: What,
}

enum What {
    File(FileMode, ObjectId),
    Folder(Box<Tree>),
}

/// Something that a view shows, found by its path.
#[derive(Clone, Copy)]
pub(crate) enum Picked<'a> {
    File(FileMode, ObjectId),
    Folder(&'a Tree),
}

struct Walk<'a> {
    disk: &'a Disk,
    context: &'a Path,
    rules: &'a IgnoreRules,
}

impl Tree {
    /// What `view` shows, as far as it is wanted.
    pub(crate) fn show(
        disk: &Disk,
        view: &View,
        ignore_file: Option<&Path>,
        wanted: &Wanted,
    ) -> Result<Self, FactoryError> {
        let rules = match (&view.rules, ignore_file) {
            (Some(text), Some(file)) => IgnoreRules::parse(&String::from_utf8_lossy(text), file)?,
            _ => IgnoreRules::default(),
        };
        let walk = Walk {
            disk,
            context: &view.context,
            rules: &rules,
        };
        walk.folder(disk.top(&view.context)?, &rules.at_root(), wanted, 0)
    }

    fn entry(&self, shown: &Shown) -> Option<&Entry> {
        self.folder.entries.get(shown.entry as usize)
    }

    fn name(&self, shown: &Shown) -> &OsStr {
        self.entry(shown)
            .map_or(OsStr::new(""), |entry| &entry.name)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.folder.path
    }

    /// The hash of all that is in it; `None` if that is nothing.
    pub(crate) fn hash(&self) -> Option<&[u8; 32]> {
        self.hash.as_ref()
    }

    /// What has this name.
    pub(crate) fn get(&self, name: &OsStr) -> Option<Picked<'_>> {
        let at = self
            .shown
            .binary_search_by(|shown| self.name(shown).as_bytes().cmp(name.as_bytes()))
            .ok()?;
        self.shown.get(at).map(Shown::picked)
    }

    /// What is directly in it, by name.
    pub(crate) fn children(&self) -> impl Iterator<Item = (&OsStr, Picked<'_>)> {
        self.shown
            .iter()
            .map(|shown| (self.name(shown), shown.picked()))
    }

    /// Calls `each` for each file in it, however deep.
    pub(crate) fn files(&self, each: &mut impl FnMut(PathBuf, FileMode, ObjectId)) {
        for (name, picked) in self.children() {
            match picked {
                Picked::File(mode, id) => each(self.folder.path.join(name), mode, id),
                Picked::Folder(tree) => tree.files(each),
            }
        }
    }

    /// The first `.git` of it that the builder is sent.
    pub(crate) fn first_git(&self) -> Option<PathBuf> {
        if self.git {
            return Some(self.path().join(GIT));
        }
        let mut folders = self.children().filter_map(|(_, picked)| match picked {
            Picked::Folder(tree) if tree.any_git => Some(tree),
            _ => None,
        });
        folders.next()?.first_git()
    }

    fn hash_of(&self) -> Option<[u8; 32]> {
        let mut hash = FieldHash::default();
        let mut any = false;
        for (name, picked) in self.children() {
            any |= picked.hash_into(name.as_bytes(), &mut hash);
        }
        any.then(|| hash.finish())
    }
}

impl Shown {
    fn picked(&self) -> Picked<'_> {
        match &self.what {
            What::File(mode, id) => Picked::File(*mode, *id),
            What::Folder(tree) => Picked::Folder(tree),
        }
    }
}

impl Picked<'_> {
    /// Adds what it is, under a name. Folders count through their files: git keeps no empty ones.
    pub(crate) fn hash_into(&self, name: &[u8], hash: &mut FieldHash) -> bool {
        match self {
            Self::File(mode, id) => {
                hash.field(name);
                hash.field(mode.text().as_bytes());
                hash.field(id.as_slice());
                true
            }
            Self::Folder(tree) => match tree.hash() {
                Some(inside) => {
                    hash.field(name);
                    hash.field(b"040000");
                    hash.field(inside);
                    true
                }
                None => false,
            },
        }
    }
}

impl Walk<'_> {
    fn folder(
        &self,
        folder: Arc<Folder>,
        parent: &Matched,
        wanted: &Wanted,
        depth: usize,
    ) -> Result<Tree, FactoryError> {
        if depth > DEEPEST {
            let source = std::io::Error::other("folders are nested too deeply");
            return Err(unreadable(&folder.path)(source));
        }
        let mut folders: Vec<(u32, &Entry, Matched, &Wanted)> = Vec::new();
        let mut files: Vec<(u32, &Entry, FileMode)> = Vec::new();
        for (index, entry) in (0_u32..).zip(&folder.entries) {
            let inside = match (wanted.all, wanted.inside.get(&entry.name)) {
                (true, _) => wanted,
                (false, Some(inside)) => inside,
                (false, None) => continue,
            };
            let (ignored, matched) = self.check(&folder, &entry.name, parent);
            match entry.kind {
                Kind::Folder if !ignored || self.rules.may_return() => {
                    folders.push((index, entry, matched, inside));
                }
                Kind::File(mode) if !ignored => files.push((index, entry, mode)),
                Kind::Report if !ignored => self.disk.tell_report(&folder, entry),
                _ => {}
            }
        }
        let (known, unknown): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|(_, entry, _)| entry.is_known());
        let file = |(index, entry, mode)| {
            let id = self.disk.id(&folder, entry, mode)?;
            Ok::<_, FactoryError>(Shown {
                entry: index,
                what: What::File(mode, id),
            })
        };
        let known: Vec<Shown> = known.into_iter().map(file).collect::<Result<_, _>>()?;
        let read: Vec<Shown> = unknown
            .into_par_iter()
            .map(file)
            .collect::<Result<_, _>>()?;
        let mut shown: Vec<Shown> = folders
            .into_par_iter()
            .map_init(usize::default, |hint, (index, entry, matched, wanted)| {
                let inside = self.disk.child(&folder, &entry.name, hint)?;
                let tree = self.folder(inside, &matched, wanted, depth + 1)?;
                Ok(Shown {
                    entry: index,
                    what: What::Folder(Box::new(tree)),
                })
            })
            .collect::<Result<_, FactoryError>>()?;
        shown.extend(known.into_iter().chain(read));
        shown.sort_unstable_by_key(|shown| shown.entry);
        let git = folder.has_git
            && wanted.has(OsStr::new(GIT))
            && !self.check(&folder, OsStr::new(GIT), parent).0;
        let is_git = |shown: &Shown| matches!(&shown.what, What::Folder(tree) if tree.any_git);
        let any_git = git || shown.iter().any(is_git);
        let mut tree = Tree {
            folder,
            shown,
            hash: None,
            git,
            any_git,
        };
        if wanted.all {
            tree.hash = tree.hash_of();
        }
        Ok(tree)
    }

    fn check(&self, folder: &Folder, name: &OsStr, parent: &Matched) -> (bool, Matched) {
        if self.rules.is_empty() {
            return (false, Matched::new());
        }
        let inside = folder.path.strip_prefix(self.context);
        let path = inside.unwrap_or(&folder.path).join(name);
        self.rules.check(&path.to_string_lossy(), parent)
    }
}
