use github::{CommitSha, GithubError};
use registry_model::{Environment, ProcessorRef};

/// Why nothing was promoted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromotionError {
    /// The source and the target are the same.
    #[error("promote `{environment}`: it is its own target")]
    SameEnvironment {
        /// The environment.
        environment: Environment,
    },
    /// Two registry files of an environment describe the same processor.
    #[error("compare the pins of `{environment}`: `{processor}` occurs more than once")]
    Duplicate {
        /// The environment.
        environment: Environment,
        /// The ref that occurs again.
        processor: ProcessorRef,
    },
    /// The source has pins without a digest: they were never built.
    #[error("promote `{from}` to `{to}`: not pinned yet: {}", list(.processors))]
    Pending {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
        /// Every processor concerned.
        processors: Vec<ProcessorRef>,
    },
    /// The source's branch is no longer at the commit whose pins were compared.
    #[error(
        "promote `{from}` to `{to}`: branch `{from}` moved from {} to {} meanwhile",
        .planned.short(),
        .found.short()
    )]
    Moved {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
        /// The commit that was planned.
        planned: CommitSha,
        /// The commit that is there now.
        found: CommitSha,
    },
    /// The pins differ, yet the target has every commit of the source: it changed them back.
    #[error("promote `{from}` to `{to}`: `{to}` holds every commit of `{from}`, but other pins")]
    Reverted {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
    },
    /// GitHub refuses or fails.
    #[error("promote `{from}` to `{to}`")]
    Github {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
        /// What GitHub said.
        #[source]
        source: GithubError,
    },
    /// The caller cancelled. A pull request that was opened before stays open, and the next run
    /// takes it.
    #[error("promote `{from}` to `{to}`: interrupted")]
    Cancelled {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
    },
}

impl PromotionError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SameEnvironment { .. } => Some("name two environments".to_owned()),
            Self::Duplicate { processor, .. } => Some(format!(
                "keep one of the registry files that say `ref: {processor}`"
            )),
            Self::Pending { from, .. } => Some(format!(
                "merge the open pin pull request into `{from}`, or run build-and-pin there"
            )),
            Self::Moved { .. } => Some("run it again".to_owned()),
            Self::Reverted { to, .. } => Some(format!(
                "`{to}` changed the pins back: revert that commit on `{to}` to promote them again"
            )),
            Self::Github { source, .. } => source.hint(),
            Self::Cancelled { .. } => None,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled { .. } => true,
            Self::Github { source, .. } => source.is_cancelled(),
            _ => false,
        }
    }

    /// Whether a rule of promotion is violated (exit code 16), rather than something having
    /// failed.
    #[must_use]
    pub fn is_rule(&self) -> bool {
        matches!(
            self,
            Self::Pending { .. } | Self::Moved { .. } | Self::Reverted { .. }
        )
    }
}

fn list(processors: &[ProcessorRef]) -> String {
    let names: Vec<String> = processors
        .iter()
        .map(|processor| format!("`{processor}`"))
        .collect();
    names.join(", ")
}
