use std::time::Duration;

/// Why a program did not end well. Command lines and output in here are already redacted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The program is not on `PATH`, or the given path is no executable file.
    #[error("start `{program}`: no such program")]
    NotFound {
        /// As it was asked for.
        program: String,
    },
    /// The operating system refused to start it.
    #[error("start `{command}`")]
    Start {
        /// The redacted command line.
        command: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Reading its output, or waiting for it, failed.
    #[error("follow `{command}`")]
    Follow {
        /// The redacted command line.
        command: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// It ended with something other than 0.
    #[error("run `{command}`: {status}{}", tail(.stderr))]
    Failed {
        /// The redacted command line.
        command: String,
        /// `exit code 1`, `killed by signal 9`.
        status: String,
        /// The exit code, when it was not a signal that ended it.
        code: Option<i32>,
        /// The last lines of standard error.
        stderr: String,
        /// The last lines of standard output.
        stdout: String,
    },
    /// It ran longer than allowed, and its process group was ended.
    #[error("run `{command}`: still running after {after:?}, ended")]
    TimedOut {
        /// The redacted command line.
        command: String,
        /// The limit.
        after: Duration,
        /// The last lines of standard error.
        stderr: String,
    },
    /// The caller cancelled, and its process group was ended.
    #[error("run `{command}`: interrupted")]
    Cancelled {
        /// The redacted command line.
        command: String,
    },
}

impl ProcessError {
    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }

    /// The last lines that the program wrote to standard error, if it ran.
    #[must_use]
    pub fn stderr(&self) -> &str {
        match self {
            Self::Failed { stderr, .. } | Self::TimedOut { stderr, .. } => stderr,
            _ => "",
        }
    }
}

fn tail(stderr: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines.len().saturating_sub(8);
    match lines.get(last..) {
        Some(rest) if !rest.is_empty() => format!("\n{}", rest.join("\n")),
        _ => String::new(),
    }
}
