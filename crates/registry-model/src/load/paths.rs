//! Paths that registry files name must stay in the repository.

use std::path::{Component, Path, PathBuf};

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

/// The real place of `path` below `root`; `None` when nothing is there. `root` must be canonical.
pub(super) fn resolve(root: &Path, path: &Path) -> Result<Option<PathBuf>, Escape> {
    match root.join(path).canonicalize() {
        Ok(real) if real.starts_with(root) => Ok(Some(real)),
        Ok(_) => Err(Escape::Link),
        Err(_) => Ok(None),
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
