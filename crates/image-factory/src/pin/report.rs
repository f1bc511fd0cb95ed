use github::{CommitInfo, PullRequest};
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
    pub commit: Option<CommitInfo>,
    /// The pull request that the action is about.
    pub pull_request: Option<PullRequest>,
    /// The pull requests that were closed, because they are superseded or became empty.
    #[serde(default)]
    pub closed: Vec<u64>,
    /// What people should know, one sentence each.
    #[serde(default)]
    pub notices: Vec<String>,
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
        }
    }
}
