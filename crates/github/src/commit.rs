use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Method, Operation};
use crate::names::{check_path, encode};
use crate::refs::WRITE;
use crate::{CommitSha, GithubError, Person, Repo};

/// Entries sent in one tree request.
const TREE_CHUNK: usize = 100;
/// Longest text that travels inside a tree request.
const INLINE: usize = 64 * 1024;

/// GitHub answers 404 to a tree with a workflow in it when the second one is missing.
const WRITE_WORKFLOWS: &str = "contents: write` and `workflows: write";
const PLAIN: &str = "100644";
const EXECUTABLE: &str = "100755";

/// A file as it shall be after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Relative to the root of the repository, with `/`.
    pub path: String,
    /// The whole content.
    pub bytes: Vec<u8>,
    /// Whether a new file may be executed. A file that exists keeps what it is.
    pub executable: bool,
}

/// A commit that no branch points at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// The commit that it follows.
    pub parent: CommitSha,
    /// The commit message.
    pub message: String,
    /// What changes; all else stays as it is in the parent.
    pub files: Vec<FileChange>,
}

/// A commit that joins two lines of history and takes the files of one of them as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMerge {
    /// The first parent, whose files all of it has.
    pub ours: CommitSha,
    /// The second parent, of which only the history is taken.
    pub theirs: CommitSha,
    /// The commit message.
    pub message: String,
}

/// What GitHub made of a [`NewCommit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedCommit {
    /// Its id.
    pub sha: CommitSha,
    /// Whether GitHub signed it, as it does for bot tokens.
    pub verified: bool,
    /// Who it says made the change: the token's owner.
    pub author: Person,
    /// Who it says made the commit.
    pub committer: Person,
}

#[derive(Deserialize)]
struct Commit {
    sha: CommitSha,
    tree: Id,
    verification: Option<Verification>,
    author: Named,
    committer: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    email: String,
}

#[derive(Deserialize)]
struct Id {
    sha: String,
}

#[derive(Deserialize)]
struct Verification {
    verified: bool,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Tree {
    tree: Vec<Entry>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Clone, Deserialize)]
struct Entry {
    path: String,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    sha: String,
}

impl Repo {
    /// Makes a commit that no branch points at: GitHub forgets it if none ever does.
    ///
    /// # Errors
    /// [`GithubError::Unchanged`] when the parent has these files already (nothing is created
    /// then), [`GithubError::Invalid`] for a path that is no plain file there.
    pub async fn create_commit(&self, request: &NewCommit) -> Result<CreatedCommit, GithubError> {
        let NewCommit {
            parent,
            message,
            files,
        } = request;
        for (index, file) in files.iter().enumerate() {
            check_path(&file.path)?;
            if files[..index].iter().any(|other| other.path == file.path) {
                return Err(GithubError::invalid("path", &file.path, "each file once"));
            }
        }
        let operation = self.commit_operation(files);
        let base: Commit = self
            .caller
            .json(
                &operation,
                Method::Get,
                &self.path(&format!("/git/commits/{parent}")),
            )
            .await?;

        let modes = self.modes(&operation, &base.tree.sha, files).await?;
        let tree = self
            .create_tree(&operation, &base.tree.sha, files, &modes)
            .await?;
        if tree == base.tree.sha {
            return Err(GithubError::Unchanged {
                operation: operation.text,
            });
        }
        // Neither author nor committer: naming them would cost the signature.
        let body = json!({ "message": message, "tree": tree, "parents": [parent] });
        let commit: Commit = self
            .caller
            .json(&operation, Method::Post(body), &self.path("/git/commits"))
            .await?;
        let verification = commit.verification.unwrap_or(Verification {
            verified: false,
            reason: "not reported".to_owned(),
        });
        tracing::debug!(sha = %commit.sha, verified = verification.verified, reason = %verification.reason, "committed");
        let person = |named: Named| Person {
            login: None,
            name: named.name,
            email: named.email,
        };
        Ok(CreatedCommit {
            sha: commit.sha,
            verified: verification.verified,
            author: person(commit.author),
            committer: person(commit.committer),
        })
    }

    /// Makes a merge commit that no branch points at.
    ///
    /// # Errors
    /// [`GithubError::NotFound`] when one of the parents is missing.
    pub async fn create_merge(&self, request: &NewMerge) -> Result<CommitSha, GithubError> {
        let operation = self.commit_operation(&[]);
        let path = self.path(&format!("/git/commits/{}", request.ours));
        let ours: Commit = self.caller.json(&operation, Method::Get, &path).await?;
        let body = json!({
            "message": request.message,
            "tree": ours.tree.sha,
            "parents": [&request.ours, &request.theirs],
        });
        let path = self.path("/git/commits");
        let made: Commit = self
            .caller
            .json(&operation, Method::Post(body), &path)
            .await?;
        Ok(made.sha)
    }

    fn commit_operation(&self, files: &[FileChange]) -> Operation {
        let workflows = files
            .iter()
            .any(|file| file.path.starts_with(".github/workflows/"));
        self.operation(
            format_args!("commit {} files", files.len()),
            format!("the parent commit in {}", self.name),
            if workflows { WRITE_WORKFLOWS } else { WRITE },
        )
    }

    /// The mode each file gets: its own on the base, else what the change asks for.
    async fn modes(
        &self,
        operation: &Operation,
        root: &str,
        files: &[FileChange],
    ) -> Result<Vec<&'static str>, GithubError> {
        // Only the folders on the way are read: a whole tree may have 100,000 entries.
        let mut folders: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        folders.insert(String::new(), self.folder(operation, root).await?);
        let mut modes = Vec::with_capacity(files.len());
        for file in files {
            let mut folder = String::new();
            let mut rest = file.path.as_str();
            let mode = loop {
                let (name, below) = match rest.split_once('/') {
                    Some((name, below)) => (name, Some(below)),
                    None => (rest, None),
                };
                let entry = folders
                    .get(&folder)
                    .and_then(|entries| entries.iter().find(|entry| entry.path == name))
                    .cloned();
                match (entry, below) {
                    (None, _) if file.executable => break EXECUTABLE,
                    (None, _) => break PLAIN,
                    (Some(entry), None) => match entry.mode.as_str() {
                        PLAIN | "100664" => break PLAIN,
                        EXECUTABLE => break EXECUTABLE,
                        _ => return Err(no_file(&file.path)),
                    },
                    (Some(entry), Some(_)) if entry.kind != "tree" => {
                        return Err(no_file(&file.path));
                    }
                    (Some(entry), Some(below)) => {
                        if !folder.is_empty() {
                            folder.push('/');
                        }
                        folder.push_str(name);
                        if !folders.contains_key(&folder) {
                            let entries = self.folder(operation, &entry.sha).await?;
                            folders.insert(folder.clone(), entries);
                        }
                        rest = below;
                    }
                }
            };
            modes.push(mode);
        }
        Ok(modes)
    }

    async fn folder(&self, operation: &Operation, sha: &str) -> Result<Vec<Entry>, GithubError> {
        let path = self.path(&format!("/git/trees/{}", encode(sha)));
        let tree: Tree = self.caller.json(operation, Method::Get, &path).await?;
        if tree.truncated {
            return Err(GithubError::Answer {
                operation: operation.text.clone(),
                reason: "a folder has too many entries to be listed".to_owned(),
            });
        }
        Ok(tree.tree)
    }

    async fn create_tree(
        &self,
        operation: &Operation,
        base: &str,
        files: &[FileChange],
        modes: &[&'static str],
    ) -> Result<String, GithubError> {
        let mut entries = Vec::with_capacity(files.len());
        for (file, mode) in files.iter().zip(modes) {
            let mut entry = json!({ "path": file.path, "mode": mode, "type": "blob" });
            let (key, value) = match inline(&file.bytes) {
                Some(text) => ("content", Value::from(text)),
                None => ("sha", self.create_blob(operation, &file.bytes).await?),
            };
            entry[key] = value;
            entries.push(entry);
        }
        let mut tree = base.to_owned();
        for chunk in entries.chunks(TREE_CHUNK) {
            let body = json!({ "base_tree": tree, "tree": chunk });
            let made: Id = self
                .caller
                .json(operation, Method::Post(body), &self.path("/git/trees"))
                .await?;
            tree = made.sha;
        }
        Ok(tree)
    }

    async fn create_blob(&self, operation: &Operation, bytes: &[u8]) -> Result<Value, GithubError> {
        let body = json!({ "content": STANDARD.encode(bytes), "encoding": "base64" });
        let blob: Id = self
            .caller
            .json(operation, Method::Post(body), &self.path("/git/blobs"))
            .await?;
        Ok(blob.sha.into())
    }
}

/// The text when it may travel inside the tree request, which saves a request a file: GitHub allows
/// 80 writes a minute. Anything that could be changed on the way goes as base64 instead.
fn inline(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let plain = |c: char| c == '\n' || c == '\t' || !(c.is_control() || c == '\u{feff}');
    (!text.is_empty() && text.len() <= INLINE && text.chars().all(plain)).then_some(text)
}

fn no_file(path: &str) -> GithubError {
    GithubError::invalid(
        "path",
        path,
        "a plain file: on the base branch it is, or lies below, a symbolic link, a submodule, a \
         file or a folder",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_with_one_reading_travels_inside_the_tree() {
        assert_eq!(
            inline("image: ü\n\tx\n".as_bytes()),
            Some("image: ü\n\tx\n")
        );
        for other in [
            &b""[..],
            b"a\r\nb",
            b"\xef\xbb\xbfimage",
            b"\xff",
            b"a\0b",
            &[b'x'; INLINE + 1],
        ] {
            assert_eq!(inline(other), None);
        }
    }
}
