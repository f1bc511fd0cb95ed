use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use process::Command;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::RehearseError;

/// A copy of a repository in a folder of its own, with a git history of one commit.
///
/// The copy holds what the working tree holds: tracked files as they are now and files that git
/// does not ignore. The original is only read.
pub(super) struct Scratch {
    folder: Option<TempDir>,
    root: PathBuf,
}

impl Scratch {
    pub(super) async fn of(
        repo: &Path,
        branch: &str,
        cancel: &CancellationToken,
    ) -> Result<Self, RehearseError> {
        let repo = repo.canonicalize().map_err(|source| RehearseError::Files {
            path: repo.to_path_buf(),
            source,
        })?;
        let folder = tempfile::Builder::new()
            .prefix("pipeline-rehearsal-")
            // The repository may be private, and so must its copy be.
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|source| RehearseError::Files {
                path: std::env::temp_dir(),
                source,
            })?;
        let root = folder.path().join("work");
        let files = list(&repo, cancel).await?;
        if files.is_empty() {
            return Err(RehearseError::Empty { repo });
        }
        for file in &files {
            copy(&repo, &root, file)?;
        }
        let scratch = Self {
            folder: Some(folder),
            root,
        };
        scratch
            .git(&["init", "--quiet", "--initial-branch", branch], cancel)
            .await?;
        // Forced: a file that is tracked although an ignore rule names it belongs to the copy.
        scratch.git(&["add", "--all", "--force"], cancel).await?;
        scratch
            .git(
                &["commit", "--quiet", "--message", "rehearsal: as found"],
                cancel,
            )
            .await?;
        Ok(scratch)
    }

    /// The working tree.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A folder beside the working tree that goes with it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.root.with_file_name(name)
    }

    /// Makes the working tree what `branch` of the repository at `origin` is now.
    pub(super) async fn sync(
        &self,
        origin: &Path,
        branch: &str,
        cancel: &CancellationToken,
    ) -> Result<(), RehearseError> {
        let origin = origin.to_string_lossy();
        self.git(
            &[
                "fetch",
                "--quiet",
                "--force",
                &origin,
                &format!("refs/heads/{branch}"),
            ],
            cancel,
        )
        .await?;
        self.git(
            &["checkout", "--quiet", "--force", "-B", branch, "FETCH_HEAD"],
            cancel,
        )
        .await?;
        self.git(&["clean", "--quiet", "-fdx"], cancel).await?;
        Ok(())
    }

    /// The commit of the working tree.
    pub(super) async fn head(&self, cancel: &CancellationToken) -> Result<String, RehearseError> {
        Ok(self
            .git(&["rev-parse", "HEAD"], cancel)
            .await?
            .trim()
            .to_owned())
    }

    /// Leaves the folder where it is, and says where.
    pub(super) fn keep(mut self) -> Option<PathBuf> {
        self.folder.take().map(TempDir::keep)
    }

    async fn git(
        &self,
        args: &[&str],
        cancel: &CancellationToken,
    ) -> Result<String, RehearseError> {
        let output = git(&self.root).args(args).run(cancel).await;
        Ok(output.map_err(RehearseError::Git)?.stdout_text())
    }
}

/// git, deaf to the configuration and the hooks of the machine's user.
fn git(folder: &Path) -> Command {
    let who = "pipeline rehearsal";
    let mail = "rehearsal@pipeline.invalid";
    Command::new("git")
        .args([
            "-c",
            "safe.directory=*",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "gc.auto=0",
        ])
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", who)
        .env("GIT_AUTHOR_EMAIL", mail)
        .env("GIT_COMMITTER_NAME", who)
        .env("GIT_COMMITTER_EMAIL", mail)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
}

async fn list(repo: &Path, cancel: &CancellationToken) -> Result<Vec<PathBuf>, RehearseError> {
    if !repo.ancestors().any(|folder| folder.join(".git").exists()) {
        return walk(repo);
    }
    let listed = git(repo)
        .args(["ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard")
        .run(cancel)
        .await
        .map_err(RehearseError::Git)?;
    Ok(listed
        .stdout
        .split(|&byte| byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .filter(|path| is_there(repo, path))
        .collect())
}

/// Whether a file that git lists is in the working tree: not deleted since the last commit, and
/// not behind a folder that has become a symbolic link to somewhere else.
fn is_there(repo: &Path, file: &Path) -> bool {
    let is_link = |path: &Path| {
        repo.join(path)
            .symlink_metadata()
            .is_ok_and(|meta| meta.file_type().is_symlink())
    };
    let mut parents = file.ancestors().skip(1);
    repo.join(file).symlink_metadata().is_ok() && !parents.any(is_link)
}

fn walk(repo: &Path) -> Result<Vec<PathBuf>, RehearseError> {
    let mut files = Vec::new();
    let mut folders = vec![repo.to_path_buf()];
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RehearseError::Files { path, source }
    };
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            let path = entry.path();
            if entry.file_type().map_err(failed(&path))?.is_dir() {
                if entry.file_name() != ".git" {
                    folders.push(path);
                }
            } else if let Ok(inside) = path.strip_prefix(repo) {
                files.push(inside.to_path_buf());
            }
        }
    }
    Ok(files)
}

fn copy(from: &Path, to: &Path, file: &Path) -> Result<(), RehearseError> {
    let (source, target) = (from.join(file), to.join(file));
    let attempt = || -> std::io::Result<()> {
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let meta = source.symlink_metadata()?;
        if meta.file_type().is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&source)?, &target)
        } else if meta.is_file() {
            // A new file, so that nothing that is there already can be written through.
            let mut copy = std::fs::File::create_new(&target)?;
            std::io::copy(&mut std::fs::File::open(&source)?, &mut copy)?;
            copy.set_permissions(meta.permissions())
        } else {
            // Sockets, pipes, and submodules, which are folders of their own history.
            Ok(())
        }
    };
    attempt().map_err(|error| RehearseError::Files {
        path: source.clone(),
        source: error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn original(git_repo: bool) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("code")).unwrap();
        std::fs::write(folder.path().join("code/a.txt"), "one").unwrap();
        std::fs::write(folder.path().join(".gitignore"), "ignored\n").unwrap();
        std::fs::write(folder.path().join("ignored"), "no").unwrap();
        std::os::unix::fs::symlink("code/a.txt", folder.path().join("link")).unwrap();
        if git_repo {
            let never = CancellationToken::new();
            git(folder.path())
                .args(["init", "--quiet"])
                .run(&never)
                .await
                .unwrap();
            git(folder.path())
                .args(["add", "--all"])
                .run(&never)
                .await
                .unwrap();
            std::fs::write(folder.path().join("code/a.txt"), "two").unwrap();
        }
        folder
    }

    #[tokio::test]
    async fn copies_the_tree_as_it_is_and_goes_without_a_trace() {
        let never = CancellationToken::new();
        let repo = original(true).await;
        let before = std::fs::read(repo.path().join(".git/index")).unwrap();
        let scratch = Scratch::of(repo.path(), "dev", &never).await.unwrap();
        let read = |name: &str| std::fs::read_to_string(scratch.root().join(name));
        assert_eq!(read("code/a.txt").unwrap(), "two");
        assert_eq!(read("link").unwrap(), "two");
        assert!(read("ignored").is_err());
        assert_eq!(scratch.head(&never).await.unwrap().len(), 40);
        let root = scratch.root().to_path_buf();
        drop(scratch);
        assert!(!root.exists());
        assert_eq!(
            std::fs::read(repo.path().join(".git/index")).unwrap(),
            before
        );
    }

    #[tokio::test]
    async fn a_plain_folder_will_do() {
        let repo = original(false).await;
        let scratch = Scratch::of(repo.path(), "dev", &CancellationToken::new())
            .await
            .unwrap();
        assert!(scratch.root().join("code/a.txt").exists());
    }

    #[tokio::test]
    async fn a_folder_that_became_a_link_is_copied_as_a_link_and_nothing_is_written_through_it() {
        let never = CancellationToken::new();
        let repo = original(true).await;
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("a.txt"), "precious").unwrap();
        std::fs::remove_dir_all(repo.path().join("code")).unwrap();
        std::os::unix::fs::symlink(outside.path(), repo.path().join("code")).unwrap();
        let scratch = Scratch::of(repo.path(), "dev", &never).await.unwrap();
        let copied = scratch.root().join("code");
        assert_eq!(std::fs::read_link(copied).unwrap(), outside.path());
        let kept = std::fs::read_to_string(outside.path().join("a.txt")).unwrap();
        assert_eq!(kept, "precious");
    }

    #[tokio::test]
    async fn the_copy_is_private_and_keeps_odd_names() {
        let never = CancellationToken::new();
        let repo = original(true).await;
        let odd = OsStr::from_bytes(b"caf\xe9.txt");
        std::fs::write(repo.path().join(odd), "x").unwrap();
        let scratch = Scratch::of(repo.path(), "dev", &never).await.unwrap();
        assert!(scratch.root().join(odd).exists());
        let folder = scratch.root().parent().unwrap();
        assert_eq!(
            folder.metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[tokio::test]
    async fn a_broken_repository_is_an_error_and_not_a_plain_folder() {
        let repo = original(true).await;
        std::fs::write(repo.path().join(".git/index"), "broken").unwrap();
        let result = Scratch::of(repo.path(), "dev", &CancellationToken::new()).await;
        assert!(matches!(result.err(), Some(RehearseError::Git(_))));
    }

    #[tokio::test]
    async fn an_empty_folder_is_refused() {
        let repo = tempfile::tempdir().unwrap();
        let result = Scratch::of(repo.path(), "dev", &CancellationToken::new()).await;
        assert!(matches!(result.err(), Some(RehearseError::Empty { .. })));
    }
}
