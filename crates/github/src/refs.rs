use serde::Deserialize;
use serde_json::json;

use crate::call::{Answer, Method, Operation};
use crate::names::{check_branch, encode};
use crate::{CommitSha, GithubError, Repo};

pub(crate) const READ: &str = "contents: read";
pub(crate) const WRITE: &str = "contents: write";

#[derive(Deserialize)]
struct Ref {
    object: Object,
}

#[derive(Deserialize)]
struct NamedRef {
    #[serde(rename = "ref")]
    name: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: CommitSha,
}

impl Repo {
    /// The commit a branch points at; `None` when there is no such branch.
    ///
    /// # Errors
    /// A repository that is missing or not accessible is [`GithubError::NotFound`].
    pub async fn branch_head(&self, branch: &str) -> Result<Option<CommitSha>, GithubError> {
        check_branch(branch)?;
        let operation = self.branch_operation("read", branch, READ);
        let path = self.path(&format!("/git/ref/heads/{}", encode(branch)));
        match self
            .caller
            .send(&operation, Method::Get, &path)
            .await?
            .outcome
        {
            Ok(body) => {
                let found: Ref = crate::call::parse(&operation, &body)?;
                Ok(Some(found.object.sha))
            }
            // An empty repository has no branches, which GitHub calls a conflict.
            Err(refusal) if refusal.status == 409 => Ok(None),
            Err(refusal) if refusal.status == 404 => {
                self.check_access(&operation).await?;
                Ok(None)
            }
            Err(refusal) => Err(refusal.into_error(&operation)),
        }
    }

    /// Creates a branch at a commit that GitHub has.
    ///
    /// # Errors
    /// [`GithubError::AlreadyExists`] when there is one of that name, wherever it points.
    pub async fn create_branch(&self, branch: &str, sha: &CommitSha) -> Result<(), GithubError> {
        check_branch(branch)?;
        let operation = self.branch_operation("create", branch, WRITE);
        let body = json!({ "ref": format!("refs/heads/{branch}"), "sha": sha });
        let Answer {
            outcome,
            maybe_done_before,
        } = self
            .send_when_settled(&operation, Method::Post(body), &self.path("/git/refs"))
            .await?;
        match outcome {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.status == 422 && refusal.says("already exists") => {
                // Perhaps by ourselves, in an attempt whose answer was lost.
                if maybe_done_before && self.branch_head(branch).await?.as_ref() == Some(sha) {
                    return Ok(());
                }
                Err(GithubError::AlreadyExists {
                    operation: operation.text,
                })
            }
            Err(refusal) => Err(refusal.into_error(&operation)),
        }
    }

    /// Moves a branch. Without `force` only forwards: a compare and swap against the commits that
    /// `sha` was built on.
    ///
    /// # Errors
    /// [`GithubError::Moved`] when the branch holds commits that `sha` does not.
    pub async fn update_branch(
        &self,
        branch: &str,
        sha: &CommitSha,
        force: bool,
    ) -> Result<(), GithubError> {
        check_branch(branch)?;
        let operation = self.branch_operation("move", branch, WRITE);
        let path = self.path(&format!("/git/refs/heads/{}", encode(branch)));
        let body = json!({ "sha": sha, "force": force });
        let answer = self
            .send_when_settled(&operation, Method::Patch(body), &path)
            .await?;
        match answer.outcome {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.status == 422 && refusal.says("fast forward") => {
                Err(GithubError::Moved {
                    operation: operation.text,
                    message: refusal.message,
                })
            }
            Err(mut refusal) => {
                if refusal.says("reference does not exist") {
                    refusal.status = 404;
                }
                Err(refusal.into_error(&operation))
            }
        }
    }

    /// Deletes a branch, and says whether it was there.
    ///
    /// # Errors
    /// When GitHub refuses, for example because the branch is protected.
    pub async fn delete_branch(&self, branch: &str) -> Result<bool, GithubError> {
        check_branch(branch)?;
        let operation = self.branch_operation("delete", branch, WRITE);
        let path = self.path(&format!("/git/refs/heads/{}", encode(branch)));
        let answer = self.caller.send(&operation, Method::Delete, &path).await?;
        match answer.outcome {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.status == 422 && refusal.says("reference does not exist") => {
                Ok(answer.maybe_done_before)
            }
            Err(refusal) => Err(refusal.into_error(&operation)),
        }
    }

    /// The branches whose names start with `prefix`, and where they point.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn branches(&self, prefix: &str) -> Result<Vec<(String, CommitSha)>, GithubError> {
        // A prefix may end where no name may.
        check_branch(&format!("{prefix}x"))?;
        let operation = self.operation("list branches", self.repository(), READ);
        let path = self.path(&format!("/git/matching-refs/heads/{}", encode(prefix)));
        let found: Vec<NamedRef> = self.caller.json(&operation, Method::Get, &path).await?;
        Ok(found
            .into_iter()
            .filter_map(|found| {
                let branch = found.name.strip_prefix("refs/heads/")?;
                let matches = branch.starts_with(prefix);
                matches.then(|| (branch.to_owned(), found.object.sha))
            })
            .collect())
    }

    /// Sends once more when GitHub does not know yet what it has just created itself.
    pub(crate) async fn send_when_settled(
        &self,
        operation: &Operation,
        method: Method,
        path: &str,
    ) -> Result<Answer, GithubError> {
        let answer = self.caller.send(operation, method.clone(), path).await?;
        let too_early = answer.outcome.as_ref().is_err_and(|refusal| {
            refusal.status == 422
                && (refusal.says("could not resolve to a node")
                    || refusal.says("object does not exist"))
        });
        if !too_early {
            return Ok(answer);
        }
        self.caller.pause(operation, self.caller.backoff(2)).await?;
        self.caller.send(operation, method, path).await
    }

    pub(crate) fn branch_operation(
        &self,
        verb: &str,
        branch: &str,
        permission: &'static str,
    ) -> Operation {
        self.operation(
            format_args!("{verb} branch `{branch}`"),
            format!("branch `{branch}`"),
            permission,
        )
    }
}
