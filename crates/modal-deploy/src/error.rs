mod failure;
mod grpc;
mod hint;

use std::path::PathBuf;
use std::time::Duration;

use process::ProcessError;
use registry_model::Environment;

pub use self::failure::CallFailure;
pub use self::grpc::GrpcCode;
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
    /// The file of Modal's profiles cannot be used.
    #[error("read {}`{}`: {problem}", of(.profile.as_deref()), .file.display())]
    Profile {
        /// `~/.modal.toml`, or what MODAL_CONFIG_PATH says.
        file: PathBuf,
        /// The profile, when it is in one.
        profile: Option<String>,
        /// What is wrong with it, without any value.
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
    /// The control plane does not know the remote procedure.
    #[error("{what}: {server} does not offer `{rpc}`")]
    Unsupported {
        /// The operation and its object.
        what: String,
        /// The remote procedure.
        rpc: &'static str,
        /// The address of the control plane.
        server: String,
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
    /// The program `modal` ended well, and said something that is not understood.
    #[error("{what}: the answer of Modal's own program is not understood: {problem}")]
    CliAnswer {
        /// The operation and its object.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The Python of the program `modal` cannot be found.
    #[error("find the Python of `{program}`")]
    PythonMissing {
        /// The program.
        program: String,
    },
    /// There is a record of the environment, and Modal's own programs tell nothing of it.
    #[error("read the record of what is live in `{environment}`, by Modal's own programs")]
    RecordUntold {
        /// Where it is.
        environment: Environment,
        /// Why they do not.
        #[source]
        source: Box<ModalError>,
    },
    /// A file that a program is to read cannot be made.
    #[error("{what}: make a temporary file")]
    TempFile {
        /// The operation and its object.
        what: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
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
    /// The files that a deploy depends on cannot be read.
    #[error("read the code of the Modal app: {problem}")]
    Code {
        /// Which file, and what is wrong with it.
        problem: String,
    },
    /// Pinned images are not in the registry, or it does not tell. Nothing has been written.
    #[error("find the images for `{environment}` in the registry:{}", list(.problems))]
    Images {
        /// Where they should have gone.
        environment: Environment,
        /// One an image.
        problems: Vec<String>,
        /// What to do about the first of them.
        hint: Option<String>,
    },
    /// Images lack receipts that a gate asks for. Nothing has been written.
    #[error("deploy to `{environment}`, as not all is proven:{}", list(.problems))]
    NotProven {
        /// Where they should have gone.
        environment: Environment,
        /// One a missing receipt: the processor, its digest, and why.
        problems: Vec<String>,
        /// What to do about the first of them.
        hint: Option<String>,
    },
    /// What Modal says is live is not what was deployed.
    #[error("read back app `{app}` of `{environment}`: {problem}")]
    ReadBack {
        /// The app.
        app: String,
        /// Where it is.
        environment: Environment,
        /// What differs.
        problem: String,
    },
    /// An app is not deployed without its secrets.
    #[error("deploy `{app}` to `{environment}`: {} could not be written", names(.secrets))]
    SecretsNotWritten {
        /// The app.
        app: String,
        /// Where it should have gone.
        environment: Environment,
        /// Those of its secrets that are not as they should be.
        secrets: Vec<String>,
    },
    /// A run that began later has the last word.
    #[error("deploy `{app}` to `{environment}`: superseded by run {newer}, which began later")]
    Superseded {
        /// The app.
        app: String,
        /// Where it should have gone.
        environment: Environment,
        /// Counts the runs of the environment.
        newer: u64,
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

impl ModalError {
    /// The class of trouble.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Setting { .. }
            | Self::Profile { .. }
            | Self::SecretSource { .. }
            | Self::Plan { .. }
            | Self::CliMissing { .. }
            | Self::CliVersion { .. }
            | Self::PythonMissing { .. }
            | Self::Code { .. }
            | Self::AppFile { .. } => ErrorClass::Input,
            Self::Secrets { .. }
            | Self::EnvironmentMissing { .. }
            | Self::Rpc { .. }
            | Self::Unsupported { .. }
            | Self::Throttled { .. }
            | Self::CliAnswer { .. }
            | Self::RecordUntold { .. }
            | Self::TempFile { .. }
            | Self::Images { .. }
            | Self::NotProven { .. }
            | Self::ReadBack { .. }
            | Self::SecretsNotWritten { .. }
            | Self::Superseded { .. }
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
            Self::Unsupported { .. } => Some(tonic::Code::Unimplemented),
            _ => None,
        }
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

fn of(profile: Option<&str>) -> String {
    profile.map_or(String::new(), |name| format!("profile `{name}` of "))
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
