use std::future::Future;

use github::{
    Commit, CommitSha, Comparison, CreatedCommit, GithubError, MergeMethod, NewCommit, NewMerge,
    NewPullRequest, PullRequest, PullRequestDetails, PullRequestFilter, PullRequestUpdate, Repo,
};
use jiff::Timestamp;

/// Declares the trait, and gives each of its calls to the one of [`Repo`] that does it.
macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident / $of_repo:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {
        /// The calls that a promotion needs of the place where the repository lives: see [`Repo`].
        pub trait Forge: Sync {
            $($(#[$doc])* fn $call(&self, $($name: $kind),*)
                -> impl Future<Output = Result<$answer, GithubError>> + Send;)*

            /// Merges a pull request with a merge commit if its head is still the one given in it,
            /// and returns that commit.
            fn merge(
                &self,
                request: &PullRequest,
            ) -> impl Future<Output = Result<CommitSha, GithubError>> + Send;
        }

        impl Forge for Repo {
            $(async fn $call(&self, $($name: $kind),*) -> Result<$answer, GithubError> {
                self.$of_repo($($name),*).await
            })*

            async fn merge(&self, request: &PullRequest) -> Result<CommitSha, GithubError> {
                // Not squashed: the target must hold the source's own commits, else the two
                // branches drift apart and every later promotion conflicts.
                self.merge_pull_request(request.number, MergeMethod::Merge, &request.head_sha)
                    .await
            }
        }
    };
}

calls! {
    /// The commit that a branch points at.
    head_of / branch_head(branch: &str) -> Option<CommitSha>;
    /// The branches whose names start so.
    starting_with / branches(prefix: &str) -> Vec<(String, CommitSha)>;
    /// Creates a branch.
    branch_at / create_branch(branch: &str, at: &CommitSha) -> ();
    /// Moves a branch that points at `expected`.
    swap / replace_branch(branch: &str, expected: &CommitSha, new: &CommitSha) -> ();
    /// Deletes a branch that points at `expected`.
    drop_branch / delete_branch_at(branch: &str, expected: &CommitSha) -> bool;
    /// A commit.
    look_at / commit(at: &str) -> Commit;
    /// How far one commit is ahead of another.
    distance / compare(base: &str, head: &str) -> Comparison;
    /// The bytes of a file; `None` when there is none.
    content / read_file(at: &str, path: &str) -> Option<Vec<u8>>;
    /// Makes a commit with other files.
    commit_files / create_commit(request: &NewCommit) -> CreatedCommit;
    /// Makes a commit with the files of another one.
    commit_merge / create_merge(request: &NewMerge) -> CommitSha;
    /// The pull requests that `filter` wants.
    requests / pull_requests(filter: &PullRequestFilter) -> Vec<PullRequestDetails>;
    /// Opens a pull request.
    open / create_pull_request(request: &NewPullRequest) -> PullRequest;
    /// Changes a pull request.
    rewrite / update_pull_request(number: u64, update: &PullRequestUpdate) -> PullRequestDetails;
    /// Closes a pull request.
    close / close_pull_request(number: u64) -> PullRequestDetails;
    /// Comments on a pull request, unless somebody from inside did so with `marker` since then.
    say / comment_once(number: u64, marker: &str, since: Option<Timestamp>, body: &str) -> bool;
}
