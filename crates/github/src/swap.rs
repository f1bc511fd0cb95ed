//! Moves and deletes branches by compare and swap, which only the GraphQL API has.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::Operation;
use crate::refs::{READ, WRITE};
use crate::{CommitSha, GithubError, Repo};

/// <https://docs.github.com/en/graphql/reference/mutations#updaterefs>
const UPDATE: &str =
    "mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }";
const REPOSITORY: &str = "query($owner: String!, $name: String!) { \
                          repository(owner: $owner, name: $name) { id } }";
/// What no commit is: a reference that goes there is deleted.
const NOWHERE: &str = "0000000000000000000000000000000000000000";

#[derive(Deserialize)]
struct Found {
    repository: Option<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
}

/// What became of a swap.
enum Swap {
    Done,
    /// The branch is somewhere else, or gone; nothing was written.
    Elsewhere(Option<CommitSha>),
    /// The server does not have the mutation.
    Unknown,
}

impl Repo {
    /// Moves a branch from `expected` to `new`, whether or not that is forwards. GitHub compares and
    /// swaps in one step: what others pushed meanwhile is never overwritten.
    ///
    /// An older GitHub Enterprise Server, which does not know how, is asked where the branch is just
    /// before a forced update, and again after it; what is pushed in these milliseconds is then lost
    /// from the branch.
    ///
    /// # Errors
    /// [`GithubError::Moved`] when the branch is elsewhere or gone.
    pub async fn replace_branch(
        &self,
        branch: &str,
        expected: &CommitSha,
        new: &CommitSha,
    ) -> Result<(), GithubError> {
        let operation = self.branch_operation("move", branch, WRITE);
        match self.swap(&operation, branch, expected, Some(new)).await? {
            Swap::Done => Ok(()),
            Swap::Elsewhere(found) => Err(moved(operation, found.as_ref())),
            Swap::Unknown => self.force_branch(operation, branch, expected, new).await,
        }
    }

    /// Deletes a branch if it still points at `expected`, in one step as
    /// [`replace_branch`](Self::replace_branch) does, and says whether it is gone.
    ///
    /// # Errors
    /// When GitHub refuses, for example because the branch is protected.
    pub async fn delete_branch_at(
        &self,
        branch: &str,
        expected: &CommitSha,
    ) -> Result<bool, GithubError> {
        let operation = self.branch_operation("delete", branch, WRITE);
        match self.swap(&operation, branch, expected, None).await? {
            Swap::Done => Ok(true),
            Swap::Elsewhere(found) => Ok(found.is_none()),
            Swap::Unknown if self.branch_head(branch).await?.as_ref() == Some(expected) => {
                self.delete_branch(branch).await
            }
            Swap::Unknown => Ok(false),
        }
    }

    async fn swap(
        &self,
        operation: &Operation,
        branch: &str,
        expected: &CommitSha,
        new: Option<&CommitSha>,
    ) -> Result<Swap, GithubError> {
        crate::names::check_branch(branch)?;
        let update = json!({
            "name": format!("refs/heads/{branch}"),
            "beforeOid": expected,
            "afterOid": new.map_or(NOWHERE, CommitSha::as_str),
            "force": true,
        });
        let input = json!({ "repositoryId": self.node_id().await?, "refUpdates": [update] });
        let mut is_first = true;
        loop {
            let asked = self.ask::<Value>(operation, UPDATE, json!({ "input": input }));
            let refusal = match asked.await? {
                Ok(_) => return Ok(Swap::Done),
                Err(refusal) => refusal,
            };
            if refusal.says("doesn't exist on type") || refusal.says("isn't a defined input type") {
                return Ok(Swap::Unknown);
            }
            if refusal.status != 422 {
                return Err(refusal.into_error(operation));
            }
            // Its words are not documented, and an answer that was lost may have been a yes.
            let found = self.branch_head(branch).await?;
            if found.as_ref() == new {
                return Ok(Swap::Done);
            }
            if found.as_ref() != Some(expected) {
                return Ok(Swap::Elsewhere(found));
            }
            if !is_first {
                return Err(refusal.into_error(operation));
            }
            is_first = false;
            // GitHub may not know yet the commit that it has just made.
            let wait = self.graphql.backoff(2);
            self.graphql.pause(operation, wait).await?;
        }
    }

    /// The way of servers that cannot swap.
    async fn force_branch(
        &self,
        operation: Operation,
        branch: &str,
        expected: &CommitSha,
        new: &CommitSha,
    ) -> Result<(), GithubError> {
        let before = self.branch_head(branch).await?;
        if before.as_ref() != Some(expected) {
            return Err(moved(operation, before.as_ref()));
        }
        match self.update_branch(branch, new, true).await {
            // It was deleted meanwhile.
            Err(GithubError::NotFound { .. }) => return Err(moved(operation, None)),
            other => other?,
        }
        let after = self.branch_head(branch).await?;
        if after.as_ref() != Some(new) {
            return Err(moved(operation, after.as_ref()));
        }
        Ok(())
    }

    /// The name of the repository in the GraphQL API, asked for once.
    async fn node_id(&self) -> Result<&str, GithubError> {
        let ask = async {
            let operation = self.operation("find the repository", self.repository(), READ);
            let names = json!({ "owner": self.name.owner(), "name": self.name.name() });
            let found = match self.ask::<Found>(&operation, REPOSITORY, names).await? {
                Ok(found) => found.repository,
                Err(refusal) => return Err(refusal.into_error(&operation)),
            };
            let node = found.ok_or_else(|| GithubError::NotFound {
                operation: operation.text,
                object: operation.object,
                permission: READ,
            })?;
            Ok(node.id)
        };
        Ok(self.node.get_or_try_init(|| ask).await?.as_str())
    }
}

fn moved(operation: Operation, found: Option<&CommitSha>) -> GithubError {
    GithubError::Moved {
        operation: operation.text,
        message: match found {
            Some(found) => format!("it is at {}", found.short()),
            None => "it is gone".to_owned(),
        },
    }
}
