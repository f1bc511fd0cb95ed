use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Command, ProcessError};
use registry_model::{Environment, PinnedImage};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::app_file::AppFile;
use super::plan::PlannedApp;
use crate::client::{ClientOptions, DEFAULT_SERVER_URL};
use crate::{ModalError, secrets::SecretPlan};

const VERSION_TIMEOUT: Duration = Duration::from_secs(60);

/// Modal's own command line, which imports the user's Python.
#[derive(Clone, Debug)]
pub struct ModalCli {
    program: PathBuf,
}

/// One `modal deploy`.
pub(super) struct Invocation<'a> {
    pub(super) root: &'a Path,
    pub(super) file: &'a AppFile,
    pub(super) environment: &'a Environment,
    pub(super) app: &'a PlannedApp,
    pub(super) image: &'a PinnedImage,
    pub(super) tag: &'a str,
    pub(super) registry_secret: &'a str,
    pub(super) timeout: Duration,
}

impl ModalCli {
    /// This program, or the one that is found, of a version that is known to work.
    ///
    /// # Errors
    /// [`ModalError::CliMissing`], [`ModalError::CliVersion`], [`ModalError::Cli`].
    pub async fn find(
        program: Option<&Path>,
        cancel: &CancellationToken,
    ) -> Result<Self, ModalError> {
        let cli = program.map_or_else(Self::locate, Self::at)?;
        let version = cli.version(cancel).await?;
        tracing::debug!("Modal client {version}");
        Ok(cli)
    }

    /// The program that `PIPELINE_MODAL` names, else `modal` on `PATH`.
    ///
    /// # Errors
    /// [`ModalError::CliMissing`].
    pub fn locate() -> Result<Self, ModalError> {
        match std::env::var_os("PIPELINE_MODAL").filter(|path| !path.is_empty()) {
            Some(path) => Self::at(Path::new(&path)),
            None => Self::at(Path::new("modal")),
        }
    }

    /// This program: a path, or a name on `PATH`.
    ///
    /// # Errors
    /// [`ModalError::CliMissing`].
    pub fn at(program: &Path) -> Result<Self, ModalError> {
        // It is started in another folder, where a relative path would mean something else.
        process::which(program)
            .and_then(|found| std::path::absolute(found).ok())
            .map(|program| Self { program })
            .ok_or_else(|| ModalError::CliMissing {
                program: program.display().to_string(),
            })
    }

    /// The version of the client, which must be 1.x.
    ///
    /// # Errors
    /// [`ModalError::CliVersion`], [`ModalError::Cli`].
    pub async fn version(&self, cancel: &CancellationToken) -> Result<String, ModalError> {
        let output = Command::new(&self.program)
            .arg("--version")
            .timeout(VERSION_TIMEOUT)
            .run(cancel)
            .await
            .map_err(|source| self.error("ask for the version of the Modal client", source))?;
        // "modal client version: 1.6.4"; there is no other form.
        let text = output.stdout_text();
        let version = text.split_whitespace().last().unwrap_or_default();
        let parts: Vec<&str> = version.split('.').collect();
        let supported = parts.len() >= 2
            && parts[0] == "1"
            && parts[1].starts_with(|digit: char| digit.is_ascii_digit());
        if supported {
            Ok(version.to_owned())
        } else {
            Err(ModalError::CliVersion {
                program: self.program.display().to_string(),
                found: text.trim().chars().take(100).collect(),
            })
        }
    }

    /// `modal deploy` of one app; each line it says goes to `on_line`, without secrets.
    pub(super) async fn deploy(
        &self,
        invocation: &Invocation<'_>,
        secrets: &SecretPlan,
        client: &ClientOptions,
        on_line: impl FnMut(process::Stream, &str) + Send + 'static,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let Invocation {
            environment, app, ..
        } = invocation;
        let mut command = self
            .command(client)
            .args(["deploy", &invocation.file.to_string()])
            .args(["--env", environment.as_str()])
            .args(["--name", &app.app])
            .args(["--tag", invocation.tag])
            .current_dir(invocation.root)
            .env("PROCESSOR_REF", app.reference.to_string())
            .env("IMAGE_REF", invocation.image.to_string())
            .env("TOOL_SECRETS", app.tool_secrets.join(","))
            .env("REGISTRY_SECRET", invocation.registry_secret)
            .env("MODAL_ENVIRONMENT", environment.as_str())
            .timeout(invocation.timeout)
            .on_line(on_line);
        for value in secrets.values() {
            command = command.redact(value);
        }
        let what = format!("deploy `{}` to `{environment}`", app.app);
        command
            .run(cancel)
            .await
            .map(drop)
            .map_err(|source| self.error(&what, source))
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A run of the program with this token at this server.
    pub(crate) fn command(&self, options: &ClientOptions) -> Command {
        as_client(Command::new(&self.program), options)
    }

    pub(crate) fn error(&self, what: &str, source: ProcessError) -> ModalError {
        match source {
            ProcessError::NotFound { program } => ModalError::CliMissing { program },
            source => ModalError::Cli {
                what: what.to_owned(),
                source: Box::new(source),
            },
        }
    }
}

/// The environment of everything that speaks to Modal by Modal's own package. Only this token and
/// this server count: profiles and sign-ins of the person at the keyboard are left out of it.
pub(crate) fn as_client(command: Command, options: &ClientOptions) -> Command {
    let no_config = std::env::temp_dir().join(format!("no-modal-{}.toml", uuid::Uuid::new_v4()));
    let token_id = SecretString::from(options.token_id.as_str());
    let mut command = command
        .env("MODAL_CONFIG_PATH", no_config)
        .env("COLUMNS", "200")
        .env("NO_COLOR", "1")
        .secret_env("MODAL_TOKEN_ID", &token_id)
        .secret_env("MODAL_TOKEN_SECRET", &options.token_secret);
    for other in [
        "MODAL_PROFILE",
        "MODAL_ENVIRONMENT",
        "MODAL_OAUTH_REFRESH_TOKEN",
        "MODAL_OAUTH_CLIENT_ID",
        "MODAL_OAUTH_CLIENT_SECRET",
        "MODAL_OAUTH_JWT_KEY",
        // All secrets there are, of which the user's module needs none.
        "PIPELINE_SECRETS_JSON",
    ] {
        command = command.env_remove(other);
    }
    if options.server_url == DEFAULT_SERVER_URL {
        command.env_remove("MODAL_SERVER_URL")
    } else {
        command.env("MODAL_SERVER_URL", &options.server_url)
    }
}
