use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gix_index::hash::ObjectId;
use tokio_util::sync::CancellationToken;

use super::blob::{self, FileMode};
use super::git::{Git, Part};
use crate::FactoryError;
use crate::plan::PlanOptions;

/// Where files are read from. All paths are relative to the root.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// The root of the repository of processors.
    pub(crate) root: PathBuf,
    /// Files that count as if they had this content.
    pub(crate) edits: Arc<BTreeMap<PathBuf, Vec<u8>>>,
}

impl Files {
    /// The files as they are.
    pub(crate) fn of(options: &PlanOptions) -> Self {
        Self {
            root: options.root.clone(),
            edits: Arc::default(),
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
        self.list(path.to_path_buf(), odd)
    }

    /// A folder in a folder.
    pub(crate) fn child(&self, parent: &Folder, name: &OsStr) -> Result<Arc<Folder>, FactoryError> {
        self.list(parent.path.join(name), parent.odd_attributes)
    }

    fn list(&self, path: PathBuf, odd_above: bool) -> Result<Arc<Folder>, FactoryError> {
        if self.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let folders = || self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = folders().get(&path) {
            return Ok(Arc::clone(folder));
        }
        let part = self.git.below(&path);
        let mut seen = Vec::new();
        let mut odd_attributes = odd_above;
        for entry in std::fs::read_dir(self.files.root.join(&path)).map_err(unreadable(&path))? {
            let entry = entry.map_err(unreadable(&path))?;
            let name = entry.file_name();
            if name == ".git" {
                continue;
            }
            odd_attributes |= name == ATTRIBUTES && !part.knows(ATTRIBUTES.as_bytes());
            let kind = entry.file_type().map_err(unreadable(&path))?;
            if kind.is_dir() {
                seen.push((name, Kind::Folder, None));
                continue;
            }
            if !kind.is_file() && !kind.is_symlink() {
                // Sockets and pipes are nothing that the builder is sent.
                continue;
            }
            // A file that is gone by now was not there.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let mode = if kind.is_symlink() {
                FileMode::Link
            } else if metadata.permissions().mode() & 0o100 == 0 {
                FileMode::File
            } else {
                FileMode::Executable
            };
            seen.push((name, Kind::File(mode), Some(metadata)));
        }
        seen.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let entries = seen.into_iter().map(|(name, kind, metadata)| {
            let id = match (kind, metadata) {
                (Kind::File(mode), Some(metadata)) if !odd_attributes => {
                    self.known(&part, &path, &name, mode, &metadata)
                }
                _ => None,
            };
            Entry {
                name: name.into_boxed_os_str(),
                kind,
                id: id.map_or_else(OnceLock::new, OnceLock::from),
            }
        });
        let folder = Arc::new(Folder {
            entries: entries.collect(),
            odd_attributes,
            path: path.clone(),
        });
        Ok(Arc::clone(folders().entry(path).or_insert(folder)))
    }

    fn known(
        &self,
        part: &Part<'_>,
        folder: &Path,
        name: &OsStr,
        mode: FileMode,
        metadata: &std::fs::Metadata,
    ) -> Option<ObjectId> {
        let edits = &self.files.edits;
        if self.is_registry_file(folder, name)
            || !edits.is_empty() && edits.contains_key(&folder.join(name))
        {
            return None;
        }
        part.id(name.as_bytes(), mode, metadata)
    }

    fn is_registry_file(&self, folder: &Path, name: &OsStr) -> bool {
        let names = self.registry_files.get(folder);
        names.is_some_and(|names| names.contains(name))
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
