use github::{CommitSha, MergeMethod, PullRequest};
use serde::{Deserialize, Serialize};

use super::changes::PinChanges;

/// What became of the changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinReport {
    /// The version of this format.
    pub schema: u32,
    /// The branch that the pins are for.
    pub base: String,
    /// The pins that change.
    pub changes: PinChanges,
    /// What was done with them.
    #[serde(default)]
    pub action: PinAction,
    /// The commit; none if none was made, or if an earlier attempt of this run made it.
    pub commit: Option<PinCommit>,
    /// The pull request that the action is about.
    pub pull_request: Option<PullRequest>,
    /// The pull requests that were closed, because they are superseded or became empty.
    #[serde(default)]
    pub closed: Vec<u64>,
    /// What people should know, one sentence each.
    #[serde(default)]
    pub notices: Vec<String>,
    /// What a proposal would write, if this report is of a preview: all else in it is then what
    /// would be, and nothing was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<PinPreview>,
}

/// The commit with the pins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinCommit {
    /// Its id.
    pub sha: CommitSha,
    /// The head of the base branch that it was made on.
    pub parent: CommitSha,
    /// The branch that points at it.
    pub branch: String,
    /// Whether GitHub signed it, as it does for bot tokens.
    pub verified: bool,
}

/// What a proposal would write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinPreview {
    /// The branch that it would propose from; none if it would propose nothing.
    pub branch: Option<String>,
    /// The title that the pull request would get; none if it keeps what it has, or there is none.
    pub title: Option<String>,
    /// The text that the pull request would get (Markdown).
    pub body: Option<String>,
    /// Whether the pull request would not be ready for review.
    pub draft: bool,
    /// The labels that would be added.
    pub labels: Vec<String>,
    /// The people who would be asked for a review, by login.
    pub reviewers: Vec<String>,
    /// The teams who would be asked for a review, by slug.
    pub team_reviewers: Vec<String>,
    /// How GitHub would merge it as soon as it may.
    pub auto_merge: Option<MergeMethod>,
    /// The workflow that would be started on the branch.
    pub workflow: Option<String>,
    /// The branches that would be deleted.
    pub deleted_branches: Vec<String>,
}

/// What was done with the changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PinAction {
    /// A pull request was opened.
    Created,
    /// The pull request of the branch was rebuilt.
    Updated,
    /// A pull request with the same pins is open already.
    Unchanged,
    /// A newer source commit has a pull request, open or merged.
    Superseded,
    /// A person closed a pull request with the same pins, so that none was opened.
    Blocked,
    /// There is nothing to propose.
    #[default]
    Nothing,
}

impl PinReport {
    /// A report of changes that are not proposed.
    #[must_use]
    pub fn new(base: &str, changes: PinChanges) -> Self {
        Self {
            schema: 1,
            base: base.to_owned(),
            changes,
            action: PinAction::Nothing,
            commit: None,
            pull_request: None,
            closed: Vec::new(),
            notices: Vec::new(),
            preview: None,
        }
    }
}
