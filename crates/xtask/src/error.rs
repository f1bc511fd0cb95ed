use std::path::PathBuf;

use process::ProcessError;

/// Why a task could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{operation}")]
    Io {
        operation: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("find the workspace: no Cargo.toml with [workspace] above {from}")]
    NoWorkspace { from: PathBuf },
    #[error("find a folder for tools: neither PIPELINE_TOOLS, XDG_CACHE_HOME nor HOME is set")]
    NoToolsFolder,
    #[error("make this machine ready, {} missing:\n{}", count(.missing.len()), .missing.join("\n"))]
    Missing { missing: Vec<String> },
    #[error("start the Docker engine: no answer within {seconds} s{}", last_lines(.log))]
    EngineSilent { seconds: u64, log: String },
    #[error("find {file} in the package {package}")]
    NotInPackage { file: String, package: String },
    #[error("understand {what}: {problem}")]
    Format { what: String, problem: String },
    #[error("know the bench group {name:?}: there are {}", .known.join(", "))]
    UnknownGroup {
        name: String,
        known: Vec<&'static str>,
    },
}

impl Error {
    pub(crate) fn io(operation: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            operation: operation.into(),
            source,
        }
    }

    pub(crate) fn format(what: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Format {
            what: what.into(),
            problem: problem.to_string(),
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some(
                "run `cargo xtask setup` as root to get all that can be installed, or use the \
                 commands above"
                    .to_owned(),
            ),
            Self::EngineSilent { .. } => {
                Some("start a Docker engine yourself; a running one is used as it is".to_owned())
            }
            Self::NoToolsFolder => Some("set PIPELINE_TOOLS to a folder".to_owned()),
            Self::NoWorkspace { .. } => Some("run `cargo xtask` inside the repository".to_owned()),
            _ => None,
        }
    }

    /// The exit code, as in the table of `docs/architecture.md`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Missing { .. } | Self::UnknownGroup { .. } | Self::NoToolsFolder => 2,
            Self::Process(error) if error.is_cancelled() => 130,
            _ => 1,
        }
    }
}

fn count(missing: usize) -> String {
    match missing {
        1 => "1 thing is".to_owned(),
        n => format!("{n} things are"),
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(12);
    lines[from..]
        .iter()
        .map(|line| format!("\n{line}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well_after_failed_to_and_carries_its_exit_code() {
        let missing = Error::Missing {
            missing: vec!["make: apt-get install make".to_owned()],
        };
        insta::assert_snapshot!(
            format!("failed to {missing}"),
            @r"
        failed to make this machine ready, 1 thing is missing:
        make: apt-get install make
        "
        );
        assert_eq!(missing.exit_code(), 2);
        let interrupted = Error::Process(ProcessError::Cancelled {
            command: "sleep".to_owned(),
        });
        assert_eq!(interrupted.exit_code(), 130);
    }
}
