//! Paths that registry files name must stay in the repository.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    Absolute,
    Above,
    Link,
}

impl Escape {
    pub(super) fn message(self, path: &str) -> String {
        match self {
            Self::Absolute => format!("`{path}` is an absolute path"),
            Self::Above => format!("`{path}` leaves the repository by `..`"),
            Self::Link => format!("`{path}` leaves the repository by a symbolic link"),
        }
    }
}

/// `base/given` without `.` and `..`, relative to the root like `base`.
pub(super) fn join(base: &Path, given: &str) -> Result<PathBuf, Escape> {
    let mut joined = PathBuf::new();
    for part in base.components().chain(Path::new(given).components()) {
        match part {
            Component::Normal(name) => joined.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !joined.pop() {
                    return Err(Escape::Above);
                }
            }
            Component::RootDir | Component::Prefix(_) => return Err(Escape::Absolute),
        }
    }
    Ok(joined)
}

/// The root of a repository, and the real places of the folders in it as far as they were asked
/// for: thousands of files lie in few of them.
pub(super) struct Root {
    /// Canonical.
    path: PathBuf,
    folders: Mutex<HashMap<PathBuf, Option<PathBuf>>>,
}

impl Root {
    /// `path` must be canonical.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            folders: Mutex::default(),
        }
    }

    /// The real place of `path` below the root, and what is there; `None` when nothing is. `path`
    /// has neither `.` nor `..`.
    pub(super) fn resolve(&self, path: &Path) -> Result<Option<(PathBuf, Metadata)>, Escape> {
        let Some((real, metadata)) = self.find(path) else {
            return Ok(None);
        };
        match self.has(&real) {
            true => Ok(Some((real, metadata))),
            false => Err(Escape::Link),
        }
    }

    /// The real place of what is no link itself.
    pub(super) fn resolve_no_link(&self, path: &Path) -> Result<Option<PathBuf>, Escape> {
        match self.place(path) {
            Some(real) if !self.has(&real) => Err(Escape::Link),
            real => Ok(real),
        }
    }

    fn has(&self, real: &Path) -> bool {
        real.starts_with(&self.path)
    }

    /// The place of `path`, through the links on the way to it.
    fn place(&self, path: &Path) -> Option<PathBuf> {
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => Some(self.folder(folder)?.join(name)),
            _ => Some(self.path.clone()),
        }
    }

    fn find(&self, path: &Path) -> Option<(PathBuf, Metadata)> {
        let real = self.place(path)?;
        let metadata = real.symlink_metadata().ok()?;
        if !metadata.is_symlink() {
            return Some((real, metadata));
        }
        let real = real.canonicalize().ok()?;
        let metadata = real.metadata().ok()?;
        Some((real, metadata))
    }

    fn folder(&self, folder: &Path) -> Option<PathBuf> {
        let folders = || self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = folders().get(folder) {
            return known.clone();
        }
        let real = self.find(folder).map(|(real, _)| real);
        folders().insert(folder.to_owned(), real.clone());
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_go_up_but_not_out() {
        let join = |base: &str, given| join(Path::new(base), given);
        assert_eq!(join("code", "."), Ok("code".into()));
        assert_eq!(join("code", "../shared/x"), Ok("shared/x".into()));
        assert_eq!(join("", "./a/./b"), Ok("a/b".into()));
        assert_eq!(join("code", "../.."), Err(Escape::Above));
        assert_eq!(join("code", "/etc"), Err(Escape::Absolute));
        assert_eq!(join("code", "a/../../../b"), Err(Escape::Above));
    }
}
