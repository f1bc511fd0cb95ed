use std::path::{Component, Path, PathBuf};

const LONGEST: usize = 1000;

/// Where a check runs: what the paths that its program prints are relative to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The root of the repository as the caller named it, and as the operating system does.
    roots: [PathBuf; 2],
    directory: PathBuf,
}

impl Place {
    /// `directory` is relative to `root`.
    pub(crate) fn new(root: &Path, directory: &Path) -> Self {
        let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
        let canonical = root.canonicalize().unwrap_or_else(|_| absolute.clone());
        Self {
            roots: [absolute, canonical],
            directory: directory.to_path_buf(),
        }
    }

    /// `path` from the root of the repository with `/`; `None` when it is not inside.
    pub(crate) fn relative(&self, path: &str) -> Option<String> {
        if path.is_empty() || path.len() > LONGEST || path.chars().any(char::is_control) {
            return None;
        }
        let path = Path::new(path);
        let inner = if path.is_absolute() {
            let path = normal(path)?;
            let inside = |root: &PathBuf| path.strip_prefix(root).ok().map(Path::to_path_buf);
            self.roots.iter().find_map(inside)?
        } else {
            normal(&self.directory.join(path))?
        };
        let text = inner.to_str()?.to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// How a program would name a file that is known from the root of the repository.
    pub(crate) fn absolute(&self, relative: &str) -> Option<String> {
        self.roots[0].join(relative).to_str().map(str::to_owned)
    }

    /// Whether the repository has this file.
    pub(crate) fn has(&self, relative: &str) -> bool {
        self.roots[1].join(relative).is_file()
    }
}

/// Without `.` and `..`; `None` when it leaves where it begins.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !matches!(normal.components().next_back(), Some(Component::Normal(_))) {
                    return None;
                }
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_from_the_root_or_none() {
        let place = Place::new(Path::new("/no/repo"), Path::new("code"));
        let of = |path: &str| place.relative(path);
        assert_eq!(of("a.py").as_deref(), Some("code/a.py"));
        assert_eq!(of("./x/../a.py").as_deref(), Some("code/a.py"));
        assert_eq!(of("../docs/a.md").as_deref(), Some("docs/a.md"));
        assert_eq!(of("/no/repo/code/a.py").as_deref(), Some("code/a.py"));
        for bad in [
            "",
            "../../x",
            "/etc/passwd",
            "/no/repo/../../etc/passwd",
            "/no/repo",
            "a\nb",
        ] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_repository(path in "[a./\\\\ ]{0,30}") {
            let place = Place::new(Path::new("/no/repo"), Path::new("code"));
            if let Some(found) = place.relative(&path) {
                prop_assert!(!found.starts_with('/'));
                prop_assert!(!found.split('/').any(|part| part == ".." || part == "."));
            }
        }
    }
}
