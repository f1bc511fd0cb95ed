use std::time::Duration;

use process::ProcessError;
use registry_model::Environment;

use crate::secrets::SecretProblem;

/// What kind of trouble an error or a report stands for; the command line turns it into an exit
/// code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// Settings or registry files are wrong, or the Modal command is missing or too old; nothing was
    /// tried.
    Input,
    /// Something about Modal, the secrets or `modal deploy` went wrong.
    Deploy,
    /// The deploy is done, but what was deployed does not answer as it should.
    Smoke,
    /// The caller cancelled.
    Cancelled,
}

impl ErrorClass {
    /// The exit code: 2, 14, 15 or 130.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Input => 2,
            Self::Deploy => 14,
            Self::Smoke => 15,
            Self::Cancelled => 130,
        }
    }
}

/// Why something about Modal failed. No variant holds a secret value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModalError {
    /// A setting of the client is missing or unusable.
    #[error("read {setting}: {problem}")]
    Setting {
        /// The environment variable or option.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The source of secret values cannot be read as such.
    #[error("read secrets from {origin}: {problem}")]
    SecretSource {
        /// `the JSON object`.
        origin: &'static str,
        /// What is wrong with it, without any value.
        problem: String,
    },
    /// The processors cannot be deployed as they stand.
    #[error("plan the deploy to `{environment}`:{}", list(.problems))]
    Plan {
        /// Where they should have gone.
        environment: Environment,
        /// Everything that is wrong.
        problems: Vec<String>,
    },
    /// Secrets are missing or unusable. Nothing has been written.
    #[error("collect the secrets for `{environment}`:{}", list(.problems))]
    Secrets {
        /// Where they should have gone.
        environment: Environment,
        /// Everything that is wrong.
        problems: Vec<SecretProblem>,
    },
    /// The workspace has no such environment.
    #[error("find environment `{environment}` in the Modal workspace, which has {}", names(.known))]
    EnvironmentMissing {
        /// The one that was asked for.
        environment: Environment,
        /// Those that exist.
        known: Vec<String>,
    },
    /// The control plane refused, or could not be reached.
    #[error("{what}: {code}: {message} ({rpc} at {server})")]
    Rpc {
        /// The operation and its object: `list environments`.
        what: String,
        /// The remote procedure.
        rpc: &'static str,
        /// The address of the control plane.
        server: String,
        /// The gRPC code, such as `UNAUTHENTICATED`.
        code: GrpcCode,
        /// What the server, or the connection, says.
        message: String,
    },
    /// The control plane asked to wait for longer than we are ready to.
    #[error("{what}: Modal asks to wait {asked:?} more, which exceeds the limit of {limit:?}")]
    Throttled {
        /// The operation and its object.
        what: String,
        /// The wait that the server asked for.
        asked: Duration,
        /// All the waiting that is allowed in one operation.
        limit: Duration,
    },
    /// The program `modal` is not there.
    #[error("start `{program}`, the Modal command line: no such program")]
    CliMissing {
        /// As it was looked for.
        program: String,
    },
    /// The program `modal` is of a version that is not known to work.
    #[error("use `{program}`: its version is `{found}`, expected 1.x")]
    CliVersion {
        /// The program.
        program: String,
        /// What it says about itself.
        found: String,
    },
    /// The program `modal` failed.
    #[error("{what}")]
    Cli {
        /// The operation and its object.
        what: String,
        /// How it ended, with what it wrote to standard error.
        #[source]
        source: Box<ProcessError>,
    },
    /// `modal deploy` ended well, yet Modal knows no such app.
    #[error("read back app `{app}` of `{environment}`: it is not live")]
    NotLive {
        /// The app.
        app: String,
        /// Where it should be.
        environment: Environment,
    },
    /// The Modal app of the repository cannot be found.
    #[error("find the Modal app `{given}`: {problem}")]
    AppFile {
        /// As it was configured.
        given: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A function cannot be called by this client.
    #[error("call `{function}` of app `{app}`: {problem}")]
    NotCallable {
        /// The app.
        app: String,
        /// The function.
        function: String,
        /// What stands in the way.
        problem: String,
    },
    /// A function was called and failed.
    #[error("call `{function}` of app `{app}`: {}", .failure)]
    CallFailed {
        /// The app.
        app: String,
        /// The function.
        function: String,
        /// What the container said.
        failure: Box<CallFailure>,
    },
    /// A function did not answer in time; the call was cancelled.
    #[error("call `{function}` of app `{app}`: no answer within {after:?}")]
    CallTimedOut {
        /// The app.
        app: String,
        /// The function.
        function: String,
        /// The limit.
        after: Duration,
    },
    /// A result was stored as a blob that cannot be fetched.
    #[error("fetch the result of `{function}` of app `{app}`: {problem}")]
    Blob {
        /// The app.
        app: String,
        /// The function.
        function: String,
        /// What is wrong, without the signed address.
        problem: String,
    },
    /// The caller cancelled.
    #[error("{what}: interrupted")]
    Cancelled {
        /// The operation and its object.
        what: String,
    },
}

/// What a container says about a call that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFailure {
    /// Modal's name for the way it failed: `FAILURE`, `TIMEOUT`, `INIT_FAILURE`, …
    pub status: String,
    /// The exception, as Python's `repr` shows it.
    pub exception: String,
    /// Python's traceback, if there is one.
    pub traceback: String,
    /// The exit code of the container, where it is not 0.
    pub exit_code: Option<i32>,
}

impl std::fmt::Display for CallFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.status)?;
        if let Some(code) = self.exit_code {
            write!(f, " (container exit code {code})")?;
        }
        if !self.exception.is_empty() {
            write!(f, ": {}", self.exception)?;
        }
        let traceback = self.traceback.trim();
        if !traceback.is_empty() {
            let lines: Vec<&str> = traceback.lines().collect();
            // The innermost frames come last, and they are the ones that explain.
            let from = lines.len().saturating_sub(12);
            write!(f, "\n{}", lines.get(from..).unwrap_or_default().join("\n"))?;
        }
        Ok(())
    }
}

/// A gRPC status code, shown as gRPC spells it.
///
/// Source: grpc.github.io, "Status codes and their use in gRPC".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcCode(pub tonic::Code);

impl std::fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use tonic::Code;
        f.write_str(match self.0 {
            Code::Ok => "OK",
            Code::Cancelled => "CANCELLED",
            Code::Unknown => "UNKNOWN",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unavailable => "UNAVAILABLE",
            Code::DataLoss => "DATA_LOSS",
            Code::Unauthenticated => "UNAUTHENTICATED",
        })
    }
}

impl ModalError {
    /// The class of trouble.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Setting { .. }
            | Self::SecretSource { .. }
            | Self::Plan { .. }
            | Self::CliMissing { .. }
            | Self::CliVersion { .. }
            | Self::AppFile { .. } => ErrorClass::Input,
            Self::Secrets { .. }
            | Self::EnvironmentMissing { .. }
            | Self::Rpc { .. }
            | Self::Throttled { .. }
            | Self::NotLive { .. } => ErrorClass::Deploy,
            Self::Cli { source, .. } if source.is_cancelled() => ErrorClass::Cancelled,
            Self::Cli { .. } => ErrorClass::Deploy,
            Self::NotCallable { .. }
            | Self::CallFailed { .. }
            | Self::CallTimedOut { .. }
            | Self::Blob { .. } => ErrorClass::Smoke,
            Self::Cancelled { .. } => ErrorClass::Cancelled,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.class() == ErrorClass::Cancelled
    }

    /// The gRPC code, when the control plane refused.
    #[must_use]
    pub fn grpc_code(&self) -> Option<tonic::Code> {
        match self {
            Self::Rpc { code, .. } => Some(code.0),
            _ => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        use tonic::Code;
        let text = match self {
            Self::Setting { setting, .. } if setting.starts_with("MODAL_TOKEN") => {
                "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET; `modal token new` makes a pair"
            }
            Self::Secrets { .. } => {
                "set the values in the environment of the pipeline (for `dev`, NAME_DEV wins over \
                 NAME) or in the JSON object of secrets, or move the names to `secrets.optional`"
            }
            Self::Plan { problems, .. } => {
                if !problems
                    .iter()
                    .any(|problem| problem.contains("not pinned"))
                {
                    return None;
                }
                "merge the open pin pull request, or run build-and-pin for these processors"
            }
            Self::EnvironmentMissing { environment, .. } => {
                return Some(format!(
                    "run `modal environment create {environment}`, or allow the deploy to create it"
                ));
            }
            Self::Rpc { code, server, .. } => match code.0 {
                Code::Unauthenticated | Code::PermissionDenied => {
                    "check MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, and that the token may use this \
                     environment"
                }
                Code::Unavailable | Code::DeadlineExceeded => {
                    return Some(format!(
                        "check that {server} can be reached from here, and https://status.modal.com"
                    ));
                }
                _ => return None,
            },
            Self::Throttled { .. } => "run it again later, or with fewer processors at once",
            Self::CliMissing { .. } => {
                "run `pip install modal==1.6.4`, or set PIPELINE_MODAL to the program"
            }
            Self::CliVersion { .. } => "run `pip install modal==1.6.4`",
            Self::AppFile { .. } => {
                "give the path of the Python file relative to the root of the repository, as in \
                 `code/modal_app.py`"
            }
            Self::CallFailed { failure, .. } if failure.status == "INIT_FAILURE" => {
                "the container imports the module again, without PROCESSOR_REF and IMAGE_REF: \
                 guard such reads with `modal.is_local()`"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// An error with all its causes, on one line where they have one each.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("\n  - {item}")).collect()
}

fn names(known: &[String]) -> String {
    if known.is_empty() {
        return "none".to_owned();
    }
    known
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
