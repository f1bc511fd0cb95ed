use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::dockerignore::{IgnoreRules, Matched};
use super::key::FieldHash;
use crate::FactoryError;

/// A build context as one set of ignore rules shows it. Paths are relative to the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct View {
    pub(crate) context: PathBuf,
    pub(crate) ignore_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    File,
    Executable,
    Link,
}

/// The ignore file that BuildKit takes for a Dockerfile: its own, else that of the context.
pub(crate) fn ignore_file(root: &Path, context: &Path, dockerfile: &Path) -> Option<PathBuf> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    [PathBuf::from(own), context.join(".dockerignore")]
        .into_iter()
        .find(|file| root.join(file).is_file())
}

/// The hash of each view. Many processors share one context: each of its files is read once.
///
/// A view's hash covers path, content, the executable bit and the targets of symbolic links: what
/// git keeps, too. Folders count through their files, and times not at all. Of `registry_files`, the
/// pins do not count: pinning is no change of the context.
pub(crate) fn hash_views(
    root: &Path,
    views: &BTreeSet<View>,
    registry_files: &BTreeSet<PathBuf>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<View, [u8; 32]>, FactoryError> {
    let seen = views
        .iter()
        .map(|view| Ok((view, list(root, view, cancel)?)))
        .collect::<Result<Vec<_>, FactoryError>>()?;
    let all: BTreeMap<&Path, Kind> = seen
        .iter()
        .flat_map(|(_, files)| files.iter().map(|(path, kind)| (path.as_path(), *kind)))
        .collect();
    let hashes: BTreeMap<&Path, [u8; 32]> = all
        .into_iter()
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|(path, kind)| {
            if cancel.is_cancelled() {
                return Err(interrupted());
            }
            Ok((path, hash_file(root, path, kind, registry_files)?))
        })
        .collect::<Result<_, FactoryError>>()?;
    Ok(seen
        .iter()
        .map(|(view, files)| {
            let mut hash = FieldHash::default();
            for (path, kind) in files {
                let inside = path.strip_prefix(&view.context).unwrap_or(path);
                hash.field(inside.as_os_str().as_bytes());
                hash.field(match kind {
                    Kind::File => b"file",
                    Kind::Executable => b"executable",
                    Kind::Link => b"link",
                });
                hash.field(&hashes[path.as_path()]);
            }
            ((*view).clone(), hash.finish())
        })
        .collect())
}

fn interrupted() -> FactoryError {
    FactoryError::Cancelled {
        operation: "read the build contexts",
    }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> FactoryError + '_ {
    move |source| FactoryError::Read {
        path: path.to_path_buf(),
        source,
    }
}

/// The files that a view shows, sorted by path.
fn list(
    root: &Path,
    view: &View,
    cancel: &CancellationToken,
) -> Result<Vec<(PathBuf, Kind)>, FactoryError> {
    let rules = match &view.ignore_file {
        Some(file) => {
            let bytes = std::fs::read(root.join(file)).map_err(unreadable(file))?;
            IgnoreRules::parse(&String::from_utf8_lossy(&bytes), file)?
        }
        None => IgnoreRules::default(),
    };
    let mut walk = Walk {
        root,
        context: &view.context,
        rules: &rules,
        cancel,
        files: Vec::new(),
    };
    walk.folder(Path::new(""), &rules.at_root())?;
    let mut files = walk.files;
    files.sort_by(|a, b| a.0.as_os_str().as_bytes().cmp(b.0.as_os_str().as_bytes()));
    Ok(files)
}

struct Walk<'a> {
    root: &'a Path,
    context: &'a Path,
    rules: &'a IgnoreRules,
    cancel: &'a CancellationToken,
    files: Vec<(PathBuf, Kind)>,
}

impl Walk<'_> {
    fn folder(&mut self, inside: &Path, parent: &Matched) -> Result<(), FactoryError> {
        if self.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let folder = self.root.join(self.context).join(inside);
        let shown = self.context.join(inside);
        for entry in std::fs::read_dir(&folder).map_err(unreadable(&shown))? {
            let entry = entry.map_err(unreadable(&shown))?;
            let inside = inside.join(entry.file_name());
            let (ignored, matched) = self.rules.check(&inside.to_string_lossy(), parent);
            let path = self.context.join(&inside);
            let kind = entry.file_type().map_err(unreadable(&path))?;
            if kind.is_dir() {
                if !ignored || self.rules.may_return() {
                    self.folder(&inside, &matched)?;
                }
            } else if ignored {
            } else if kind.is_symlink() {
                self.files.push((path, Kind::Link));
            } else if kind.is_file() {
                let mode = entry
                    .metadata()
                    .map_err(unreadable(&path))?
                    .permissions()
                    .mode();
                let kind = if mode & 0o111 == 0 {
                    Kind::File
                } else {
                    Kind::Executable
                };
                self.files.push((path, kind));
            }
            // Sockets and pipes are nothing that the engine is sent.
        }
        Ok(())
    }
}

fn hash_file(
    root: &Path,
    path: &Path,
    kind: Kind,
    registry_files: &BTreeSet<PathBuf>,
) -> Result<[u8; 32], FactoryError> {
    let full = root.join(path);
    if kind == Kind::Link {
        let target = std::fs::read_link(&full).map_err(unreadable(path))?;
        return Ok(Sha256::digest(target.into_os_string().into_vec()).into());
    }
    if registry_files.contains(path) {
        let bytes = std::fs::read(&full).map_err(unreadable(path))?;
        // Pins that cannot be edited will not be: then the file counts as it is.
        let bytes = registry_model::without_pins(&bytes).unwrap_or(bytes);
        return Ok(Sha256::digest(bytes).into());
    }
    let mut file = File::open(&full).map_err(unreadable(path))?;
    let mut hash = Sha256::new();
    let mut chunk = [0_u8; 16 * 1024];
    loop {
        match file.read(&mut chunk).map_err(unreadable(path))? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&chunk[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (path, text) in files {
                tree.write(path, text);
            }
            tree
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn view(&self) -> View {
            View {
                context: "code".into(),
                ignore_file: ignore_file(
                    self.0.path(),
                    Path::new("code"),
                    Path::new("code/a/Dockerfile"),
                ),
            }
        }

        fn hash(&self) -> [u8; 32] {
            let view = self.view();
            let views = BTreeSet::from([view.clone()]);
            let registry_files = BTreeSet::from(["code/registry/x.yaml".into()]);
            let cancel = CancellationToken::new();
            hash_views(self.0.path(), &views, &registry_files, &cancel).unwrap()[&view]
        }

        fn files(&self) -> Vec<String> {
            list(self.0.path(), &self.view(), &CancellationToken::new())
                .unwrap()
                .into_iter()
                .map(|(path, _)| path.to_string_lossy().into_owned())
                .collect()
        }
    }

    const FILES: &[(&str, &str)] = &[
        ("code/a/Dockerfile", "FROM scratch"),
        ("code/lib/io.py", "x = 1"),
        ("code/lib/deep/test.py", ""),
        ("other/file", "outside"),
    ];

    #[test]
    fn changes_with_path_content_mode_and_link_target() {
        let tree = Tree::new(FILES);
        let mut hashes = vec![tree.hash()];
        tree.write("code/lib/io.py", "x = 2");
        hashes.push(tree.hash());
        let script = tree.0.path().join("code/lib/io.py");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        hashes.push(tree.hash());
        std::fs::rename(&script, tree.0.path().join("code/lib/io2.py")).unwrap();
        hashes.push(tree.hash());
        let link = tree.0.path().join("code/link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        hashes.push(tree.hash());
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("elsewhere", &link).unwrap();
        hashes.push(tree.hash());
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn ignores_times_pins_ignored_files_and_what_lies_outside() {
        let tree = Tree::new(FILES);
        tree.write("code/.dockerignore", "**/test*\n");
        tree.write(
            "code/registry/x.yaml",
            "ref: x/y@1\nimage:\n  oci: sha256:pending\n",
        );
        let before = tree.hash();
        tree.write("code/lib/io.py", "x = 1");
        tree.write("code/lib/deep/test.py", "changed");
        tree.write(
            "code/registry/x.yaml",
            "ref: x/y@1\nimage:\n  oci: ghcr.io/a/b@sha256:1\n",
        );
        tree.write("other/file", "changed");
        std::fs::create_dir_all(tree.0.path().join("code/empty")).unwrap();
        assert_eq!(tree.hash(), before);
        tree.write(
            "code/registry/x.yaml",
            "ref: x/y@1\nimage:\n  oci: sha256:pending\nmore: 1\n",
        );
        assert_ne!(tree.hash(), before);
    }

    #[test]
    fn the_dockerfiles_own_ignore_file_wins() {
        let tree = Tree::new(FILES);
        tree.write("code/.dockerignore", "lib\n");
        assert_eq!(tree.files(), ["code/.dockerignore", "code/a/Dockerfile"]);
        tree.write("code/a/Dockerfile.dockerignore", "*\n!lib/deep\n");
        assert_eq!(tree.files(), ["code/lib/deep/test.py"]);
    }

    #[test]
    fn stops_when_cancelled() {
        let tree = Tree::new(FILES);
        let cancel = CancellationToken::new();
        cancel.cancel();
        let error = list(tree.0.path(), &tree.view(), &cancel).unwrap_err();
        assert!(error.is_cancelled());
    }
}
