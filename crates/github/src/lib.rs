//! The few GitHub calls that the pipeline needs, as values in and values out.
//!
//! A [`Repo`] is one repository on github.com or on a GitHub Enterprise Server, seen with one token.
//! Commits are made through the Git Data API ([`Repo::create_commit`]): blobs, one tree on top of the
//! parent's tree, and one commit, at which a branch is then created. Nothing is pushed with git,
//! there is never a moment in which the branch exists without its commit, and because the request
//! names neither author nor committer, GitHub signs what a bot token commits.
//!
//! Branches are moved with compare and swap: [`Repo::update_branch`] is a fast-forward unless asked
//! otherwise, and answers [`GithubError::Moved`] when somebody else was faster. What GitHub has no
//! compare and swap for, [`Repo::replace_branch`] and [`Repo::delete_branch_at`], reads before it
//! writes, and tells what can happen in between.
//!
//! Server errors, timeouts (408), broken connections and rate limits are retried a few times ([`Retry`]); refusals
//! never are. A call that may have been carried out although its answer
//! was lost is not carried out twice: the state is read again instead. Every error is one sentence
//! with the operation and its object, and [`GithubError::hint`] names the permission or the setting
//! to change. The token is in none of them.
//!
//! ```no_run
//! use github::{FileChange, MergeMethod, NewCommit, NewPullRequest, Repo, RepoOptions};
//!
//! # async fn propose() -> Result<(), github::GithubError> {
//! let mut options = RepoOptions::new("acme/processors".parse()?);
//! options.token = std::env::var("GITHUB_TOKEN").ok().map(Into::into);
//! let repo = Repo::new(options)?;
//!
//! let Some(parent) = repo.branch_head("dev").await? else {
//!     return Ok(());
//! };
//! let commit = repo
//!     .create_commit(&NewCommit {
//!         parent,
//!         message: "ci: pin processor images (bot)".into(),
//!         files: vec![FileChange {
//!             path: "registry/replicate.yaml".into(),
//!             bytes: b"image: {}\n".to_vec(),
//!             executable: false,
//!         }],
//!     })
//!     .await?;
//! repo.create_branch("bot/pin-1", &commit.sha).await?;
//! let request = repo
//!     .create_pull_request(&NewPullRequest {
//!         title: "Pin processor images".into(),
//!         body: String::new(),
//!         head: "bot/pin-1".into(),
//!         base: "dev".into(),
//!         draft: false,
//!     })
//!     .await?;
//! repo.merge_pull_request(request.number, MergeMethod::Merge, &commit.sha)
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! Names are checked when they are made, without a call:
//!
//! ```
//! use github::{CommitSha, RepoName};
//!
//! let name: RepoName = "acme/processors".parse()?;
//! assert_eq!((name.owner(), name.name()), ("acme", "processors"));
//! assert!("acme".parse::<RepoName>().is_err());
//! assert!("main".parse::<CommitSha>().is_err());
//! # Ok::<(), github::GithubError>(())
//! ```

mod actions;
mod automerge;
mod call;
mod comments;
mod commit;
mod contents;
mod details;
mod error;
mod graphql;
mod history;
mod issues;
mod names;
mod people;
mod pulls;
mod refs;
mod refusal;
mod repo;
mod status;
mod swap;
mod viewer;

pub use automerge::AutoMerge;
pub use call::Retry;
pub use comments::Comment;
pub use commit::{CreatedCommit, FileChange, NewCommit, NewMerge};
pub use contents::Comparison;
pub use details::{PullRequestDetails, PullRequestFilter, PullRequestState, PullRequestUpdate};
pub use error::GithubError;
pub use history::{Ahead, Commit, Person};
pub use issues::{Issue, NewIssue};
pub use names::{CommitSha, NodeId, RepoName};
pub use pulls::{MergeMethod, NewPullRequest, PullRequest};
pub use repo::{Repo, RepoOptions};
pub use status::{CombinedStatus, CommitStatus, StatusState};
