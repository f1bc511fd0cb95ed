use std::path::PathBuf;

use github::{CommitSha, GithubError};
use registry_model::{Environment, PinError, ProcessorRef};

use crate::Admission;

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
    /// Processors may not go on.
    #[error(
        "promote `{from}` to `{to}`: {} may not go:\n{}",
        count(.refused.len()),
        list(.refused)
    )]
    Refused {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
        /// Every one of them, with why not and what to do about it.
        refused: Vec<Admission>,
    },
    /// Somebody was faster: a branch is no longer at the commit that was compared.
    #[error(
        "promote `{from}` to `{to}`: branch `{branch}` moved from {} to {} meanwhile",
        .planned.short(),
        .found.short()
    )]
    Moved {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
        /// The branch that moved.
        branch: String,
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
    /// The branch of the request has commits that are none of the pipeline's.
    #[error(
        "promote `{from}` to `{to}`: branch `{branch}` has commits that the pipeline did not make"
    )]
    Blocked {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
        /// The branch of the request.
        branch: String,
    },
    /// Others wrote to the branch of the request again and again.
    #[error(
        "promote `{from}` to `{to}`: others write to `{branch}` at the same time, {attempts} \
         attempts"
    )]
    Contended {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
        /// The branch of the request.
        branch: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A registry file of the target does not take a pin.
    #[error("promote `{from}` to `{to}`: pin `{processor}` in `{}` of `{to}`", .file.display())]
    Pin {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
        /// The processor.
        processor: ProcessorRef,
        /// The file.
        file: PathBuf,
        /// Why not; none when the file or its place for the pin is not there.
        #[source]
        source: Option<Box<PinError>>,
    },
    /// After the merge, the target does not pin what was planned.
    #[error(
        "find the pins in `{to}` that were promoted from `{from}`:{}",
        .wrong.iter().map(|one| format!("\n  - {one}")).collect::<String>()
    )]
    NotAsPlanned {
        /// The source.
        from: Environment,
        /// The target.
        to: Environment,
        /// Every pin that is another, with what was planned and what is there.
        wrong: Vec<String>,
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
            // Each reason shows its own cure.
            Self::Refused { refused, to, .. } => {
                let mut proofs = refused.iter().flat_map(|one| &one.proofs);
                let proof = proofs.find(|proof| proof.why.is_some())?;
                Some(format!(
                    "`pipeline receipts {}` shows what there is and which of it is believed, and \
                     `promotion.require` of pipeline.yml on `{}` says what must be",
                    proof.image, to
                ))
            }
            Self::Moved { .. } | Self::Contended { .. } => Some("run it again".to_owned()),
            Self::Reverted { to, .. } => Some(format!(
                "`{to}` changed the pins back: revert that commit on `{to}` to promote them again"
            )),
            Self::Blocked { branch, .. } => Some(format!(
                "a promotion carries exactly what was proven: merge these commits in another way, \
                 or delete `{branch}`"
            )),
            Self::Pin { source, .. } => source.as_ref().and_then(|source| source.hint()),
            Self::NotAsPlanned { to, .. } => Some(format!(
                "somebody changed `{to}` at the same time: look at its last commits, then run it \
                 again"
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
            Self::Refused { .. }
                | Self::Moved { .. }
                | Self::Contended { .. }
                | Self::Reverted { .. }
                | Self::Blocked { .. }
                | Self::Pin { .. }
                | Self::NotAsPlanned { .. }
        )
    }
}

fn count(processors: usize) -> String {
    match processors {
        1 => "1 processor".to_owned(),
        many => format!("{many} processors"),
    }
}

fn list(refused: &[Admission]) -> String {
    let lines: Vec<String> = refused.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
