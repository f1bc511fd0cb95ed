use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gix_index::hash::ObjectId;
use tokio_util::sync::CancellationToken;

use super::blob::{self, FileMode};
use super::git::Git;
use super::listing::{self, Listed, What};
use crate::FactoryError;
use crate::plan::PlanOptions;

/// Where files are read from. All paths are relative to the root.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// The root of the repository of processors.
    pub(crate) root: PathBuf,
    /// Files that count as if they had this content.
    pub(crate) edits: Arc<BTreeMap<PathBuf, Vec<u8>>>,
    /// Files that do not count unless git knows them.
    pub(crate) reports: Arc<Reports>,
}

/// Our own reports below the root.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    paths: HashSet<PathBuf>,
    /// Those that a build context has: people know.
    told: Mutex<HashSet<PathBuf>>,
}

impl Reports {
    fn of(options: &PlanOptions) -> Self {
        let root = options.root.canonicalize();
        let below = |path: &PathBuf| {
            let folder = path.parent()?;
            let here = Path::new(".");
            let folder = if folder == Path::new("") {
                here
            } else {
                folder
            };
            let path = folder.canonicalize().ok()?.join(path.file_name()?);
            Some(path.strip_prefix(root.as_ref().ok()?).ok()?.to_path_buf())
        };
        Self {
            paths: options.reports.iter().filter_map(below).collect(),
            told: Mutex::default(),
        }
    }
}

impl Files {
    /// The files as they are.
    pub(crate) fn of(options: &PlanOptions) -> Self {
        Self {
            root: options.root.clone(),
            edits: Arc::default(),
            reports: Arc::new(Reports::of(options)),
        }
    }

    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, FactoryError> {
        match self.edits.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => std::fs::read(self.root.join(path)).map_err(unreadable(path)),
        }
    }
}

/// The files of a repository, read as far as somebody wants to see them, and each once.
pub(crate) struct Disk {
    files: Files,
    git: Arc<Git>,
    /// Which names in which folder are registry files.
    registry_files: HashMap<PathBuf, HashSet<OsString>>,
    /// The folders seen so far.
    folders: Mutex<HashMap<PathBuf, Arc<Folder>>>,
    cancel: CancellationToken,
}

/// A folder, with what is directly in it.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Sorted by name, as bytes.
    pub(crate) entries: Vec<Entry>,
    /// An attributes file that git does not know may convert what lies here.
    odd_attributes: bool,
    /// It has `.git`, which is no entry.
    pub(super) has_git: bool,
}

pub(crate) struct Entry {
    pub(crate) name: Box<OsStr>,
    pub(crate) kind: Kind,
    id: OnceLock<ObjectId>,
}

impl Entry {
    /// Whether its id is known without reading it.
    pub(crate) fn is_known(&self) -> bool {
        self.id.get().is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File(FileMode),
    /// One of ours, which does not count.
    Report,
}

pub(crate) fn interrupted() -> FactoryError {
    FactoryError::Cancelled {
        operation: "read the build contexts",
    }
}

pub(crate) fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> FactoryError + '_ {
    move |source| FactoryError::Read {
        path: path.to_path_buf(),
        source,
    }
}

/// What never counts.
pub(crate) const GIT: &str = ".git";

const ATTRIBUTES: &str = ".gitattributes";

impl Disk {
    /// Of `registry_files`, the pins do not count.
    pub(crate) fn new(
        files: Files,
        git: Arc<Git>,
        registry_files: &[PathBuf],
        cancel: CancellationToken,
    ) -> Self {
        let mut names: HashMap<PathBuf, HashSet<OsString>> = HashMap::new();
        for file in registry_files {
            if let (Some(folder), Some(name)) = (file.parent(), file.file_name()) {
                let names = names.entry(folder.to_path_buf()).or_default();
                names.insert(name.to_owned());
            }
        }
        Self {
            files,
            git,
            registry_files: names,
            folders: Mutex::default(),
            cancel,
        }
    }

    /// A folder that is not reached from one above it.
    pub(crate) fn top(&self, path: &Path) -> Result<Arc<Folder>, FactoryError> {
        let odd = path.ancestors().skip(1).any(|above| {
            self.files.root.join(above).join(ATTRIBUTES).exists()
                && !self.git.below(above).knows(ATTRIBUTES.as_bytes())
        });
        self.list(path.to_path_buf(), odd, &mut 0)
    }

    /// A folder in a folder. `hint` is for its neighbours, by name: see [`Git::below_after`].
    pub(crate) fn child(
        &self,
        parent: &Folder,
        name: &OsStr,
        hint: &mut usize,
    ) -> Result<Arc<Folder>, FactoryError> {
        self.list(parent.path.join(name), parent.odd_attributes, hint)
    }

    fn list(
        &self,
        path: PathBuf,
        odd_above: bool,
        hint: &mut usize,
    ) -> Result<Arc<Folder>, FactoryError> {
        if self.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let folders = || self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = folders().get(&path) {
            return Ok(Arc::clone(folder));
        }
        let part = self.git.below_after(&path, hint);
        let registry_files = self.registry_files.get(&path);
        let is_registry_file = |name: &OsStr| registry_files.is_some_and(|has| has.contains(name));
        let is_here = |report: &&PathBuf| report.parent() == Some(&path);
        let reports = self.files.reports.paths.iter().filter(is_here);
        let reports: Vec<&OsStr> = reports.filter_map(|report| report.file_name()).collect();
        let mut listed = listing::list(&self.files.root.join(&path)).map_err(unreadable(&path))?;
        let has = |wanted: &str| listed.iter().any(|listed| *listed.name == *wanted);
        let has_git = has(GIT);
        let odd_attributes = odd_above || has(ATTRIBUTES) && !part.knows(ATTRIBUTES.as_bytes());
        listed.retain(|listed| *listed.name != *GIT);
        let entries = listed.into_iter().map(|Listed { name, what }| {
            let (kind, id) = match what {
                What::Folder => (Kind::Folder, None),
                What::File(..) if reports.contains(&&*name) && !part.knows(name.as_bytes()) => {
                    (Kind::Report, None)
                }
                What::File(mode, looks) => {
                    let known = !odd_attributes
                        && !is_registry_file(&name)
                        && !self.is_edited(&path, &name);
                    let id = known.then(|| part.id(name.as_bytes(), mode, &looks));
                    (Kind::File(mode), id.flatten())
                }
            };
            Entry {
                name,
                kind,
                id: id.map_or_else(OnceLock::new, OnceLock::from),
            }
        });
        let folder = Arc::new(Folder {
            entries: entries.collect(),
            odd_attributes,
            has_git,
            path: path.clone(),
        });
        Ok(Arc::clone(folders().entry(path).or_insert(folder)))
    }

    fn is_edited(&self, folder: &Path, name: &OsStr) -> bool {
        let edits = &self.files.edits;
        !edits.is_empty() && edits.contains_key(&folder.join(name))
    }

    fn is_registry_file(&self, folder: &Path, name: &OsStr) -> bool {
        let names = self.registry_files.get(folder);
        names.is_some_and(|names| names.contains(name))
    }

    /// Says that a report lies where the builder may take it, once.
    pub(crate) fn tell_report(&self, folder: &Folder, entry: &Entry) {
        let path = folder.path.join(&*entry.name);
        let told = &self.files.reports.told;
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(path.clone()) {
            tracing::warn!(
                "`{}` lies in a build context and does not count, though an image may hold it: \
                 write reports elsewhere, or list them in `.dockerignore`",
                path.display()
            );
        }
    }

    /// The id of a file's content.
    pub(crate) fn id(
        &self,
        folder: &Folder,
        entry: &Entry,
        mode: FileMode,
    ) -> Result<ObjectId, FactoryError> {
        if let Some(id) = entry.id.get() {
            return Ok(*id);
        }
        if self.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let path = folder.path.join(&*entry.name);
        let hash = self.git.hash;
        let id = if mode != FileMode::Link && self.is_registry_file(&folder.path, &entry.name) {
            let bytes = self.files.read(&path)?;
            // Pins that cannot be edited will not be: then the file counts as it is.
            let bytes = registry_model::without_pins(&bytes).unwrap_or(bytes);
            blob::of_bytes(hash, &bytes)
        } else if let Some(bytes) = self.files.edits.get(&path) {
            blob::of_bytes(hash, bytes)
        } else {
            blob::of_file(hash, &self.files.root.join(&path), mode)
        };
        let id = id.map_err(unreadable(&path))?;
        Ok(*entry.id.get_or_init(|| id))
    }
}
