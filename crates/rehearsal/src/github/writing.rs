use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use process::ProcessError;

use super::answer::ApiError;
use super::git::Git;

/// An identity that a commit can be made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) email: String,
    /// Any date git reads; `None` is now.
    pub(super) date: Option<String>,
}

impl Git {
    /// Writes a blob.
    pub(super) async fn write_blob(&self, bytes: Vec<u8>) -> Result<String, ProcessError> {
        let command = self
            .command(["hash-object", "-t", "blob", "-w", "--no-filters", "--stdin"])
            .stdin(bytes);
        let id = self.start(command).await?.stdout_text().trim().to_owned();
        self.known.add(&id, "blob");
        Ok(id)
    }

    /// Writes many blobs with one process; the ids come in the same order.
    pub(super) async fn write_blobs(&self, blobs: &[&[u8]]) -> Result<Vec<String>, ApiError> {
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        let scratch = scratch_in(self.dir())?;
        let mut paths = String::new();
        for (number, bytes) in blobs.iter().enumerate() {
            let path = scratch.path().join(number.to_string());
            tokio::fs::write(&path, bytes).await?;
            paths.push_str(&format!("{}\n", path.display()));
        }
        let command = self
            .command([
                "hash-object",
                "-t",
                "blob",
                "-w",
                "--no-filters",
                "--stdin-paths",
            ])
            .stdin(paths);
        let text = self.start(command).await?.stdout_text();
        let ids: Vec<String> = text.lines().map(str::to_owned).collect();
        for id in &ids {
            self.known.add(id, "blob");
        }
        Ok(ids)
    }

    /// Remembers a tree that was just written.
    pub(super) fn wrote_tree(&self, id: &str) {
        self.known.add(id, "tree");
    }

    /// Writes a commit.
    pub(super) async fn write_commit(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
        author: &Person,
        committer: &Person,
    ) -> Result<String, ProcessError> {
        let mut args = vec!["commit-tree", tree];
        for parent in parents {
            args.extend(["-p", parent]);
        }
        args.extend(["-F", "-"]);
        let mut command = self.command(args).stdin(message);
        for (role, person) in [("AUTHOR", author), ("COMMITTER", committer)] {
            command = command
                .env(format!("GIT_{role}_NAME"), &person.name)
                .env(format!("GIT_{role}_EMAIL"), &person.email);
            if let Some(date) = &person.date {
                command = command.env(format!("GIT_{role}_DATE"), date);
            }
        }
        let id = self.start(command).await?.stdout_text().trim().to_owned();
        self.known.add(&id, "commit");
        Ok(id)
    }
}

/// In the repository's folder, so that it is on the same disk and goes with it.
pub(super) fn scratch_in(git_dir: &Path) -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("pipeline-scratch-")
        // What is in a private repository is private, too.
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(git_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_aside_is_for_its_user_only() {
        let git_dir = tempfile::tempdir().unwrap();
        let scratch = scratch_in(git_dir.path()).unwrap();
        let mode = scratch.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
