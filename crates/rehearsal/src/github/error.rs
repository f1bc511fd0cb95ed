use std::path::PathBuf;

use process::ProcessError;

/// Why the embedded GitHub API could not start or take a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedGithubError {
    /// A git command failed.
    #[error("{operation}")]
    Git {
        /// What was to be done, with its object.
        operation: String,
        /// What git said.
        #[source]
        source: ProcessError,
    },
    /// The git program is too old to merge without a working tree.
    #[error("serve the GitHub API: git {found} is too old, 2.38 is needed")]
    GitTooOld {
        /// What `git --version` says.
        found: String,
    },
    /// A folder or the port could not be used.
    #[error("{operation}")]
    Io {
        /// What was to be done, with its object.
        operation: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// There is a repository of that name already.
    #[error("create repository {name}: it exists already")]
    Exists {
        /// `owner/name`.
        name: String,
    },
    /// There is no repository of that name.
    #[error("find repository {name}: it is not served")]
    Unknown {
        /// `owner/name`.
        name: String,
    },
    /// The repository to copy has no commit checked out.
    #[error("copy repository {}: it has no commit", from.display())]
    Empty {
        /// The repository to copy.
        from: PathBuf,
    },
    /// Git refuses the name as a branch.
    #[error("create repository {name}: `{branch}` is no name for a branch")]
    BadBranch {
        /// `owner/name`.
        name: String,
        /// The name that was given.
        branch: String,
    },
}

impl EmbeddedGithubError {
    /// The cure.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Git {
                source: ProcessError::NotFound { .. },
                ..
            }
            | Self::GitTooOld { .. } => {
                Some("install git 2.38 or newer: apt-get install git".to_owned())
            }
            Self::Empty { .. } => Some("commit something first".to_owned()),
            _ => None,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Git { source, .. } if source.is_cancelled())
    }
}
