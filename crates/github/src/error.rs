use std::time::Duration;

use crate::refusal;

/// Why a GitHub call did not do what was asked. Texts read well after "failed to", and never hold
/// the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GithubError {
    /// A value that can be seen to be wrong without asking GitHub.
    #[error("use {kind} `{found}`: expected {expected}")]
    Invalid {
        /// What it should be.
        kind: &'static str,
        /// The text.
        found: String,
        /// The form it should have.
        expected: &'static str,
    },
    /// The client could not be set up: no TLS, or no Tokio runtime.
    #[error("set up the GitHub client: {reason}")]
    Client {
        /// What is missing.
        reason: String,
    },
    /// 401: the token is missing, wrong or expired.
    #[error("{operation}: the token was refused ({message})")]
    Unauthorized {
        /// What was to be done, with its object.
        operation: String,
        /// GitHub's words.
        message: String,
    },
    /// 403: the token is known but may not do this.
    #[error("{operation}: not allowed ({message})")]
    Forbidden {
        /// What was to be done, with its object.
        operation: String,
        /// GitHub's words.
        message: String,
        /// The permission that the operation needs: `contents: write`.
        permission: &'static str,
    },
    /// 404: it is not there, or the token may not know that it is.
    #[error("{operation}: {object} is missing, or the token has no access to it")]
    NotFound {
        /// What was to be done, with its object.
        operation: String,
        /// What was not found.
        object: String,
        /// The permission that the operation needs.
        permission: &'static str,
    },
    /// 301, 302, 307 or 308: the repository has another name now.
    #[error("{operation}: the repository was renamed or moved")]
    Renamed {
        /// What was to be done, with its object.
        operation: String,
    },
    /// A branch is no longer where the caller thought (compare and swap failed).
    #[error("{operation}: it has moved meanwhile ({message})")]
    Moved {
        /// What was to be done, with its object.
        operation: String,
        /// GitHub's words.
        message: String,
    },
    /// The branch or the pull request is there already.
    #[error("{operation}: it exists already")]
    AlreadyExists {
        /// What was to be done, with its object.
        operation: String,
    },
    /// The change is empty: the same files, or no commits between two branches.
    #[error("{operation}: nothing would change")]
    Unchanged {
        /// What was to be done, with its object.
        operation: String,
    },
    /// The pull request cannot be merged: a conflict, a missing review, a failing check.
    #[error("{operation}: it cannot be merged ({message})")]
    NotMergeable {
        /// What was to be done, with its object.
        operation: String,
        /// GitHub's words.
        message: String,
    },
    /// 409: the state of the repository does not allow it.
    #[error("{operation}: the repository's state does not allow it ({message})")]
    Conflict {
        /// What was to be done, with its object.
        operation: String,
        /// GitHub's words.
        message: String,
    },
    /// Any other refusal of the request, 422 first of all.
    #[error("{operation}: GitHub refused the request with {status} ({message})")]
    Rejected {
        /// What was to be done, with its object.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// GitHub's words, with the fields it complains about.
        message: String,
    },
    /// Too many requests, still so after the retries, or for longer than it is sensible to wait.
    #[error("{operation}: GitHub's rate limit is used up")]
    RateLimited {
        /// What was to be done, with its object.
        operation: String,
        /// How long GitHub asks to wait.
        wait: Option<Duration>,
    },
    /// 408 or 5xx, still so after the retries.
    #[error("{operation}: GitHub answered {status} ({message})")]
    Server {
        /// What was to be done, with its object.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// The start of the answer.
        message: String,
    },
    /// No answer came, still so after the retries.
    #[error("{operation}: no answer from GitHub")]
    Network {
        /// What was to be done, with its object.
        operation: String,
        /// What the network said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer that is not what GitHub's documentation promises.
    #[error("{operation}: GitHub's answer is not understood: {reason}")]
    Answer {
        /// What was to be done, with its object.
        operation: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller cancelled.
    #[error("{operation}: interrupted")]
    Cancelled {
        /// What was to be done, with its object.
        operation: String,
    },
}

impl GithubError {
    pub(crate) fn invalid(kind: &'static str, found: &str, expected: &'static str) -> Self {
        Self::Invalid {
            kind,
            found: found.chars().take(200).collect(),
            expected,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }

    /// The cure: the permission or the setting to change.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        refusal::hint(self)
    }
}
