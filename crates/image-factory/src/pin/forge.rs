use std::collections::BTreeMap;
use std::future::Future;

use github::{
    Ahead, AutoMerge, CombinedStatus, Comment, Commit, CommitSha, CommitStatus, Comparison,
    CreatedCommit, GithubError, MergeMethod, NewCommit, NewPullRequest, NodeId, PullRequest,
    PullRequestDetails, PullRequestFilter, PullRequestUpdate, Repo,
};
use jiff::Timestamp;

/// Declares the trait and passes each call of it on to [`Repo`].
macro_rules! forge {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $answer:ty = $call:ident;)*) => {
        /// What proposing pins needs of the place where the repository lives: see [`Repo`].
        pub trait Forge: Sync {
            $(
                $(#[$doc])*
                fn $name(
                    &self,
                    $($arg: $type),*
                ) -> impl Future<Output = Result<$answer, GithubError>> + Send;
            )*
        }

        impl Forge for Repo {
            $(
                async fn $name(&self, $($arg: $type),*) -> Result<$answer, GithubError> {
                    Self::$call(self, $($arg),*).await
                }
            )*
        }
    };
}

forge! {
    /// The login of whoever the token belongs to.
    viewer() -> String = viewer;
    /// The commit that a branch points at.
    branch_head(branch: &str) -> Option<CommitSha> = branch_head;
    /// The branches whose names start so.
    branches(prefix: &str) -> Vec<(String, CommitSha)> = branches;
    /// Creates a branch.
    create_branch(branch: &str, at: &CommitSha) -> () = create_branch;
    /// Moves a branch that points at `expected`.
    replace_branch(branch: &str, expected: &CommitSha, new: &CommitSha) -> () = replace_branch;
    /// Deletes a branch that points at `expected`.
    delete_branch_at(branch: &str, expected: &CommitSha) -> bool = delete_branch_at;

    /// The bytes of a file at a branch or commit; `None` when there is no such file.
    read_file(at: &str, path: &str) -> Option<Vec<u8>> = read_file;
    /// Makes a commit that no branch points at.
    create_commit(request: &NewCommit) -> CreatedCommit = create_commit;
    /// A commit.
    commit(at: &str) -> Commit = commit;
    /// How far one commit is ahead of and behind another.
    compare(base: &str, head: &str) -> Comparison = compare;
    /// What one commit has that another has not.
    ahead(base: &str, head: &str) -> Ahead = ahead;

    /// The pull requests that `filter` wants.
    pull_requests(filter: &PullRequestFilter) -> Vec<PullRequestDetails> = pull_requests;
    /// The open pull requests from a branch of the repository.
    open_from(head: Option<&str>, base: Option<&str>) -> Vec<PullRequest> = find_open_pull_requests;
    /// Opens a pull request.
    open(request: &NewPullRequest) -> PullRequest = create_pull_request;
    /// Changes a pull request.
    update(number: u64, update: &PullRequestUpdate) -> PullRequestDetails = update_pull_request;
    /// Closes a pull request.
    close(number: u64) -> PullRequestDetails = close_pull_request;
    /// Opens a closed pull request again.
    reopen(number: u64) -> PullRequestDetails = reopen_pull_request;
    /// The comments under a pull request.
    comments(number: u64) -> Vec<Comment> = comments;
    /// Comments on a pull request, unless a comment from inside with `marker` was made since then.
    comment_once(number: u64, marker: &str, since: Option<Timestamp>, body: &str) -> bool = comment_once;
    /// Adds labels to a pull request.
    add_labels(number: u64, labels: &[String]) -> () = add_labels;
    /// Asks for reviews.
    request_reviewers(number: u64, people: &[String], teams: &[String]) -> () = request_reviewers;
    /// Merges a pull request as soon as it may be.
    auto_merge(number: u64, node_id: &NodeId, method: MergeMethod) -> AutoMerge = enable_auto_merge;

    /// Starts a workflow.
    dispatch(workflow: &str, branch: &str, inputs: &BTreeMap<String, String>) -> () = dispatch_workflow;
    /// What was said of a commit.
    status(sha: &CommitSha) -> CombinedStatus = combined_status;
    /// Says something of a commit.
    set_status(sha: &CommitSha, status: &CommitStatus) -> () = set_status;
}
