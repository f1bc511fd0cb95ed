use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Command, ProcessError};
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

/// Where and on what `modal deploy` runs.
pub(super) struct Invocation<'a> {
    pub(super) root: &'a Path,
    pub(super) file: &'a AppFile,
    pub(super) timeout: Duration,
}

impl ModalCli {
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

    /// `modal deploy` of one app.
    pub(super) async fn deploy(
        &self,
        invocation: &Invocation<'_>,
        app: &PlannedApp,
        secrets: &SecretPlan,
        client: &ClientOptions,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let environment = &secrets.environment;
        let name = app.app.clone();
        let token_id = SecretString::from(client.token_id.as_str());
        // Only this token counts: profiles of the person at the keyboard are left out of it.
        let no_config =
            std::env::temp_dir().join(format!("no-modal-{}.toml", uuid::Uuid::new_v4()));
        let mut command = Command::new(&self.program)
            .args(["deploy", &invocation.file.to_string()])
            .args(["--env", environment.as_str()])
            .args(["--name", &app.app])
            .args(["--tag", &app.tag])
            .current_dir(invocation.root)
            .env("PROCESSOR_REF", app.reference.to_string())
            .env("IMAGE_REF", app.image.to_string())
            .env("TOOL_SECRETS", app.tool_secrets.join(","))
            .env("MODAL_ENVIRONMENT", environment.as_str())
            .env("MODAL_CONFIG_PATH", no_config)
            .env_remove("MODAL_PROFILE")
            .env("COLUMNS", "200")
            .env("NO_COLOR", "1")
            .secret_env("MODAL_TOKEN_ID", &token_id)
            .secret_env("MODAL_TOKEN_SECRET", &client.token_secret)
            .timeout(invocation.timeout)
            .on_line(move |_, line| tracing::debug!(app = %name, "{line}"));
        command = if client.server_url == DEFAULT_SERVER_URL {
            command.env_remove("MODAL_SERVER_URL")
        } else {
            command.env("MODAL_SERVER_URL", &client.server_url)
        };
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

    fn error(&self, what: &str, source: ProcessError) -> ModalError {
        match source {
            ProcessError::NotFound { program } => ModalError::CliMissing { program },
            source => ModalError::Cli {
                what: what.to_owned(),
                source: Box::new(source),
            },
        }
    }
}
