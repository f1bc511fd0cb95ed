use std::path::PathBuf;
use std::time::Duration;

use process::ProcessError;

/// Why the embedded registry does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No registry program is on `PATH`.
    #[error("start the embedded registry: neither `docker-registry` nor `registry` is on PATH")]
    Missing,
    /// Its folder cannot be used.
    #[error("use {} for the embedded registry", .path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// This machine has no port to give.
    #[error("find a free port for the embedded registry")]
    Port {
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Another program holds the port that was asked for.
    #[error("start the embedded registry on 127.0.0.1:{port}: the port is taken")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The program cannot be started.
    #[error("start the embedded registry")]
    Start {
        /// What the operating system said.
        #[source]
        source: ProcessError,
    },
    /// The program ended by itself.
    #[error("start the embedded registry: {status}{}", below(.output))]
    Ended {
        /// `exit code 1`.
        status: String,
        /// The last lines it printed.
        output: String,
    },
    /// The program runs, but does not answer.
    #[error("start the embedded registry: no answer from {host} after {after:?}{}", below(.output))]
    NotReady {
        /// Where it should answer.
        host: String,
        /// How long we waited.
        after: Duration,
        /// The last lines it printed.
        output: String,
    },
    /// The caller cancelled; nothing runs.
    #[error("start the embedded registry: interrupted")]
    Cancelled,
}

impl RegistryError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing => Some(
                "apt-get install docker-registry (or put the `registry` program of \
                 https://github.com/distribution/distribution on PATH)"
                    .to_owned(),
            ),
            Self::PortTaken { .. } => {
                Some("give another port, or none to get a free one".to_owned())
            }
            Self::Folder { .. } => Some("give a folder that can be written to".to_owned()),
            _ => None,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled => true,
            Self::Start { source } => source.is_cancelled(),
            _ => false,
        }
    }
}

fn below(output: &str) -> String {
    if output.is_empty() {
        String::new()
    } else {
        format!("\n{output}")
    }
}
