use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::Method;
use crate::pulls::PAGE;
use crate::{CommitSha, GithubError, Repo};

const READ: &str = "statuses: read";
const WRITE: &str = "statuses: write";
/// What GitHub takes as a description, in characters.
const LONGEST_DESCRIPTION: usize = 140;

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusState {
    /// It has not ended.
    Pending,
    /// It passed.
    Success,
    /// It did not pass.
    Failure,
    /// It could not be carried out.
    Error,
}

/// What a check says of a commit. A later one of the same context takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    /// The name of the check: what a branch protection rule requires.
    pub context: String,
    /// How far it is.
    pub state: StatusState,
    /// One line for people; cut at GitHub's 140 characters.
    pub description: Option<String>,
    /// Where to see more.
    pub target_url: Option<String>,
}

/// What all checks say of a commit together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CombinedStatus {
    /// Pending, too, when there is none.
    pub state: StatusState,
    /// The latest of each context, at most 100.
    pub statuses: Vec<CommitStatus>,
}

impl Repo {
    /// Says something of a commit.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn set_status(
        &self,
        sha: &CommitSha,
        status: &CommitStatus,
    ) -> Result<(), GithubError> {
        let operation = self.operation(
            format_args!("set status `{}` of commit {}", status.context, sha.short()),
            format!("commit {}", sha.short()),
            WRITE,
        );
        let description = status
            .description
            .as_ref()
            .map(|text| text.chars().take(LONGEST_DESCRIPTION).collect::<String>());
        let body = json!({
            "state": status.state,
            "context": status.context,
            "description": description,
            "target_url": status.target_url,
        });
        let path = self.path(&format!("/statuses/{sha}"));
        self.send_when_settled(&operation, Method::Post(body), &path)
            .await?
            .outcome
            .map(drop)
            .map_err(|refusal| refusal.into_error(&operation))
    }

    /// What was said of a commit.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn combined_status(&self, sha: &CommitSha) -> Result<CombinedStatus, GithubError> {
        let operation = self.operation(
            format_args!("read the status of commit {}", sha.short()),
            format!("commit {}", sha.short()),
            READ,
        );
        let path = self.path(&format!("/commits/{sha}/status?per_page={PAGE}"));
        self.caller.json(&operation, Method::Get, &path).await
    }
}
