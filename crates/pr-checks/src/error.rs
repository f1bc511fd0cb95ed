use std::path::PathBuf;

use process::ProcessError;

use crate::CheckName;

/// Why checks could not be planned or run. That a check failed is no error but a verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChecksError {
    /// Text that is no name of a check.
    #[error("read the name of a check: `{}` is none", text.escape_debug())]
    Name {
        /// The text.
        text: String,
    },
    /// Two checks have one name.
    #[error("plan the checks: two are called `{name}`")]
    Twice {
        /// The name.
        name: CheckName,
    },
    /// A check has no program.
    #[error("plan check `{check}`: its command is empty")]
    EmptyCommand {
        /// The check.
        check: CheckName,
    },
    /// A path of a check leaves the repository.
    #[error("plan check `{check}`: `{}` is not inside the repository", path.display())]
    Outside {
        /// The check.
        check: CheckName,
        /// The path.
        path: PathBuf,
    },
    /// A parser reads a file, and nothing says which.
    #[error(
        "plan check `{check}`: its parser reads a file, but neither `report` nor `{{report}}` in its command names one"
    )]
    NoReport {
        /// The check.
        check: CheckName,
    },
    /// A glob cannot be read.
    #[error("plan check `{check}`: read the glob `{glob}`")]
    Glob {
        /// The check.
        check: CheckName,
        /// The glob.
        glob: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// A regular expression cannot be read, or is too large.
    #[error("plan check `{check}`: read the regular expression of its parser")]
    Expression {
        /// The check.
        check: CheckName,
        /// What is wrong with it.
        #[source]
        source: regex::Error,
    },
    /// A regular expression that finds nothing that could be shown.
    #[error("plan check `{check}`: the regular expression of its parser has no group `message`")]
    NoMessage {
        /// The check.
        check: CheckName,
    },
    /// A check needs one that does not exist.
    #[error("plan check `{check}`: it needs `{need}`, which does not exist")]
    UnknownNeed {
        /// The check.
        check: CheckName,
        /// What it needs.
        need: CheckName,
        /// The checks that exist.
        known: Vec<CheckName>,
    },
    /// Checks need each other.
    #[error("plan the checks: they need each other: {}", arrows(cycle))]
    Cycle {
        /// Each needs the next, the last the first.
        cycle: Vec<CheckName>,
    },
    /// Text that cannot be a commit.
    #[error("compare with `{}`: that is no name of a commit", text.escape_debug())]
    Commit {
        /// The text.
        text: String,
    },
    /// Git does not say what has changed.
    #[error("find out what has changed since `{base}`")]
    Changes {
        /// What was compared with.
        base: String,
        /// What git said.
        #[source]
        source: Box<ProcessError>,
    },
    /// What git said cannot be read.
    #[error("find out what has changed since `{base}`: {problem}")]
    Diff {
        /// What was compared with.
        base: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The root of the repository, or the folder for this run's files, cannot be had.
    #[error("open the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The caller cancelled.
    #[error("find out what the checks depend on: interrupted")]
    Cancelled,
}

impl ChecksError {
    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled => true,
            Self::Changes { source, .. } => source.is_cancelled(),
            _ => false,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Name { .. } => Some("use lower-case letters, digits and hyphens".to_owned()),
            Self::UnknownNeed { known, .. } => Some(format!("the checks are: {}", list(known))),
            Self::Cycle { .. } => Some("remove one of these from `needs`".to_owned()),
            Self::NoReport { .. } => {
                Some("set `report` of the parser to the file that the command writes".to_owned())
            }
            Self::NoMessage { .. } => Some("write `(?P<message>…)` in it".to_owned()),
            Self::Changes { base, .. } => Some(format!(
                "fetch the whole history (`fetch-depth: 0` of actions/checkout) and see that `git rev-parse {base}` answers"
            )),
            _ => None,
        }
    }
}

fn list(names: &[CheckName]) -> String {
    let names: Vec<&str> = names.iter().map(CheckName::as_str).collect();
    names.join(", ")
}

fn arrows(cycle: &[CheckName]) -> String {
    let names = cycle.iter().chain(cycle.first()).map(CheckName::as_str);
    names.collect::<Vec<_>>().join(" → ")
}
