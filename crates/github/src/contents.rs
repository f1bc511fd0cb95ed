use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::Method;
use crate::names::{check_branch, check_path, encode};
use crate::refs::READ;
use crate::{GithubError, Repo};

/// How two branches or commits lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// Commits that the head has and the base has not.
    pub ahead_by: u64,
    /// Commits that the base has and the head has not.
    pub behind_by: u64,
}

#[derive(Deserialize)]
struct Compared {
    ahead_by: u64,
    behind_by: u64,
}

#[derive(Deserialize)]
struct Content {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    encoding: String,
    #[serde(default)]
    content: String,
    sha: String,
}

#[derive(Deserialize)]
struct Blob {
    content: String,
}

impl Repo {
    /// The bytes of a file at a branch, a tag or a commit; `None` when there is no such file there.
    ///
    /// # Errors
    /// When there is no such repository, branch or commit, or the path is no file.
    pub async fn read_file(&self, at: &str, path: &str) -> Result<Option<Vec<u8>>, GithubError> {
        check_branch(at)?;
        check_path(path)?;
        let operation = self.operation(
            format_args!("read `{path}` at `{at}`"),
            format!("`{path}` at `{at}`"),
            READ,
        );
        let address = self.path(&format!(
            "/contents/{}?ref={}",
            encode(path),
            encode(at).replace('/', "%2F")
        ));
        let body = match self
            .caller
            .send(&operation, Method::Get, &address)
            .await?
            .outcome
        {
            Ok(body) => body,
            Err(refusal) if refusal.status == 404 && !refusal.says("no commit found") => {
                self.check_access(&operation).await?;
                return Ok(None);
            }
            Err(mut refusal) => {
                let mut operation = operation;
                if refusal.says("no commit found") {
                    refusal.status = 404;
                    operation.object = format!("`{at}`");
                }
                return Err(refusal.into_error(&operation));
            }
        };
        let no_file = |reason: String| GithubError::Answer {
            operation: operation.text.clone(),
            reason,
        };
        // A folder is answered with a list of what is in it.
        let content: Content =
            serde_json::from_str(&body).map_err(|_| no_file("not a file".to_owned()))?;
        if content.kind != "file" {
            return Err(no_file(format!("it is a {}", content.kind)));
        }
        let text = if content.encoding == "base64" {
            content.content
        } else {
            // Over 1 MB the content is left out.
            let blob: Blob = self
                .caller
                .json(
                    &operation,
                    Method::Get,
                    &self.path(&format!("/git/blobs/{}", encode(&content.sha))),
                )
                .await?;
            blob.content
        };
        let packed: String = text.split_ascii_whitespace().collect();
        STANDARD
            .decode(packed)
            .map(Some)
            .map_err(|error| no_file(format!("no base64: {error}")))
    }

    /// How far `head` is ahead of and behind `base`, each a branch, a tag or a commit.
    ///
    /// # Errors
    /// When one of them is missing, or they have no commit in common.
    pub async fn compare(&self, base: &str, head: &str) -> Result<Comparison, GithubError> {
        // The commits themselves are not wanted: one a page keeps the answer small.
        let Compared {
            ahead_by,
            behind_by,
        } = self.compared(base, head, 1).await?;
        Ok(Comparison {
            ahead_by,
            behind_by,
        })
    }

    pub(crate) async fn compared<T: DeserializeOwned>(
        &self,
        base: &str,
        head: &str,
        commits: u64,
    ) -> Result<T, GithubError> {
        check_branch(base)?;
        check_branch(head)?;
        let operation = self.operation(
            format_args!("compare `{base}` with `{head}`"),
            format!("`{base}` or `{head}`"),
            READ,
        );
        let path = self.path(&format!(
            "/compare/{}...{}?per_page={commits}",
            encode(base),
            encode(head)
        ));
        self.caller.json(&operation, Method::Get, &path).await
    }
}
