use std::net::SocketAddr;
use std::path::PathBuf;

use process::ProcessError;

/// Why the embedded control plane did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModalError {
    /// The address is taken, or may not be used.
    #[error("listen on {address} for the Modal control plane")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// No Python with Modal's client package was named or found.
    #[error("find the Python that the `modal` program runs on")]
    NoInterpreter,
    /// The interpreter lacks Modal's client package.
    #[error("find Modal's client package in `{}`", .python.display())]
    NoClient {
        /// The interpreter.
        python: PathBuf,
    },
    /// The interpreter did not answer.
    #[error("ask the Python that the `modal` program runs on")]
    Interpreter(#[from] ProcessError),
}

impl ModalError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Listen { .. } => Some("choose another port, or 0 for any free one".to_owned()),
            Self::NoInterpreter => Some(
                "run `pip install modal==1.6.4` in a virtual environment and put it on PATH, or \
                 name its interpreter in PIPELINE_PYTHON"
                    .to_owned(),
            ),
            Self::NoClient { python } => Some(format!(
                "run `{} -m pip install modal==1.6.4`",
                python.display()
            )),
            Self::Interpreter(_) => {
                Some("name a working interpreter in PIPELINE_PYTHON".to_owned())
            }
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Interpreter(error) if error.is_cancelled())
    }
}
