use serde_json::json;

use crate::names::NodeId;
use crate::pulls::WRITE;
use crate::{GithubError, MergeMethod, Repo};

const ENABLE: &str = "mutation($input: EnablePullRequestAutoMergeInput!) { \
                      enablePullRequestAutoMerge(input: $input) { clientMutationId } }";

/// What became of the wish to merge a pull request as soon as that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoMerge {
    /// GitHub will do it.
    Enabled,
    /// It can be merged at once, so that there is nothing that GitHub would wait for, and GitHub
    /// refuses: no rule of the base branch asks for a check or a review.
    NothingToWaitFor,
}

impl Repo {
    /// Has GitHub merge a pull request as soon as every rule of the base branch is met. REST cannot
    /// do this: it goes to the GraphQL API.
    ///
    /// # Errors
    /// [`GithubError::Rejected`] when the repository does not allow it.
    pub async fn enable_auto_merge(
        &self,
        number: u64,
        node_id: &NodeId,
        method: MergeMethod,
    ) -> Result<AutoMerge, GithubError> {
        let operation = self.pull_operation("turn on auto-merge for", number, WRITE);
        let method = match method {
            MergeMethod::Merge => "MERGE",
            MergeMethod::Squash => "SQUASH",
            MergeMethod::Rebase => "REBASE",
        };
        let input = json!({ "pullRequestId": node_id, "mergeMethod": method });
        match self
            .ask::<serde_json::Value>(&operation, ENABLE, json!({ "input": input }))
            .await?
        {
            Ok(_) => Ok(AutoMerge::Enabled),
            Err(refusal) if refusal.says("is in clean status") => Ok(AutoMerge::NothingToWaitFor),
            Err(refusal) => Err(refusal.into_error(&operation)),
        }
    }
}
