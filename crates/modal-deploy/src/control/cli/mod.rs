//! Modal's own programs in place of the client of this crate.

mod call;
mod keys;
mod python;
mod rows;
mod token;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use process::Command;
use registry_model::Environment;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use self::rows::{AppInfo, AppRow, EnvironmentRow, FunctionInfo, SecretRow, VersionRow};
use crate::ModalError;
use crate::client::{
    AppState, AppVersion, Call, ClientOptions, EnvironmentInfo, KeyChange, ListedApp, Reply,
    StoredSecret, TokenInfo,
};
use crate::deploy::ModalCli;
use crate::error::chain;
use crate::record::RECORD_SECRET;

/// Beyond the minute after which the program itself gives up on a server that does not answer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Modal's own command line, and the Python that comes with it.
///
/// It tells less than the client of this crate: no seconds' parts of times, and of versions
/// neither whether a rollback may go there nor whether one made them.
#[derive(Clone, Debug)]
pub struct CliControl {
    /// The program.
    pub cli: ModalCli,
    /// The token and the server that it is given.
    pub options: ClientOptions,
}

impl CliControl {
    pub(super) async fn ask_token(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Option<TokenInfo>, ModalError> {
        let text = self
            .text("ask whose token this is", &["token", "info"], cancel)
            .await?;
        Ok(token::read(&text))
    }

    pub(super) async fn ask_environments(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Vec<EnvironmentInfo>, ModalError> {
        let rows: Vec<EnvironmentRow> = self
            .json(
                "list environments",
                &["environment", "list", "--json"],
                cancel,
            )
            .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    pub(super) async fn make_environment(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let what = format!("create environment `{environment}`");
        let args = ["environment", "create", "--", environment.as_str()];
        let Err(refused) = self.text(&what, &args, cancel).await else {
            return Ok(());
        };
        // The exit code is the same for all refusals; whether it is there now, a list tells.
        let known = self.ask_environments(cancel).await;
        let exists = known.is_ok_and(|known| {
            known
                .iter()
                .any(|one| one.name.as_str() == environment.as_str())
        });
        if exists { Ok(()) } else { Err(refused) }
    }

    pub(super) async fn ask_secrets(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<Vec<StoredSecret>, ModalError> {
        let source = match keys::list(self, environment, cancel).await {
            Err(error) if !error.is_cancelled() => Box::new(error),
            told => return told,
        };
        tracing::debug!("{}", chain(&source));
        // The program itself tells no keys. Without a record they are not needed; but one that is
        // there must neither be passed over, nor go out of date.
        let what = format!("list the secrets of environment `{environment}`");
        let args = ["secret", "list", "--json", "--env", environment.as_str()];
        let rows: Vec<SecretRow> = self.json(&what, &args, cancel).await?;
        let secrets: Vec<StoredSecret> = rows.into_iter().map(Into::into).collect();
        if secrets.iter().any(|secret| secret.name == RECORD_SECRET) {
            let environment = environment.clone();
            return Err(ModalError::RecordUntold {
                environment,
                source,
            });
        }
        Ok(secrets)
    }

    pub(super) async fn write_secret(
        &self,
        environment: &Environment,
        name: &str,
        values: &BTreeMap<String, SecretString>,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let what = format!("write secret `{name}` of environment `{environment}`");
        let failed = |error: std::io::Error| ModalError::TempFile {
            what: what.clone(),
            source: error,
        };
        // Nobody else can read it, and it has no name: it is gone when nobody has it open, even
        // after a kill. A pipe the program would refuse.
        let mut file = tempfile::tempfile().map_err(failed)?;
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(failed)?;
        let exposed: BTreeMap<&str, &str> = values
            .iter()
            .map(|(key, value)| (key.as_str(), value.expose_secret()))
            .collect();
        // Straight into the file: a buffer would be one more copy in memory.
        serde_json::to_writer(&mut file, &exposed).map_err(|error| failed(error.into()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut command = self
            .command(&["secret", "create", "--force", "--env", environment.as_str()])
            .args(["--from-json", "/dev/stdin", "--", name])
            .stdin_file(file);
        for value in values.values() {
            command = command.redact(value);
        }
        self.run(&what, command, cancel).await.map(drop)
    }

    pub(super) async fn write_keys(
        &self,
        environment: &Environment,
        name: &str,
        changes: &[KeyChange],
        cancel: &CancellationToken,
    ) -> Result<bool, ModalError> {
        keys::change(self, environment, name, changes, cancel).await
    }

    pub(super) async fn ask_app(
        &self,
        environment: &Environment,
        name: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<AppState>, ModalError> {
        let what = format!("look up app `{name}` of environment `{environment}`");
        let env = environment.as_str();
        let args = ["app", "info", "--json", "--env", env, "--", name];
        match self.json::<AppInfo>(&what, &args, cancel).await {
            Ok(info) => Ok(info.live()),
            Err(error) if error.is_cancelled() => Err(error),
            // No such app, or no such command before 1.6: both lists tell which.
            Err(_) => {
                let Some(row) = self.deployed(environment, name, cancel).await? else {
                    return Ok(None);
                };
                let latest = self.versions(environment, name, cancel).await?;
                Ok(Some(row.with(latest.first())))
            }
        }
    }

    pub(super) async fn ask_apps(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<Vec<ListedApp>, ModalError> {
        let rows = self.app_rows(environment, cancel).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    pub(super) async fn ask_history(
        &self,
        environment: &Environment,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<AppVersion>, ModalError> {
        match self.versions(environment, app, cancel).await {
            Err(error) if !error.is_cancelled() => {
                match self.deployed(environment, app, cancel).await? {
                    Some(_) => Err(error),
                    None => Ok(Vec::new()),
                }
            }
            other => other,
        }
    }

    pub(super) async fn roll_back(
        &self,
        environment: &Environment,
        app: &str,
        version: u32,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let what = format!("roll app `{app}` of `{environment}` back to version {version}");
        let version = format!("v{version}");
        let env = environment.as_str();
        let args = ["app", "rollback", "--env", env, "--", app, &version];
        self.text(&what, &args, cancel).await.map(drop)
    }

    pub(super) async fn roll_over(
        &self,
        environment: &Environment,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let what = format!("roll app `{app}` of `{environment}` over");
        let args = ["app", "rollover", "--env", environment.as_str(), "--", app];
        self.text(&what, &args, cancel).await.map(drop)
    }

    pub(super) async fn call(
        &self,
        call: &Call<'_>,
        cancel: &CancellationToken,
    ) -> Result<Reply, ModalError> {
        call::run(self, call, cancel).await
    }

    pub(super) async fn ask_image(
        &self,
        environment: &Environment,
        app: &str,
        function: &str,
        version: Option<u32>,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, ModalError> {
        if version.is_some() {
            return Ok(None);
        }
        let what = format!("look up the image of `{function}` of app `{app}`");
        let name = format!("{app}/{function}");
        let env = environment.as_str();
        let args = ["function", "info", "--json", "--env", env, "--", &name];
        match self.json::<FunctionInfo>(&what, &args, cancel).await {
            Ok(info) => Ok(info.image_id()),
            Err(error) if error.is_cancelled() => Err(error),
            // Newer than 1.5, and it asks more of the server than others do.
            Err(error) => {
                tracing::debug!("{error}");
                Ok(None)
            }
        }
    }

    async fn versions(
        &self,
        environment: &Environment,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<AppVersion>, ModalError> {
        let what = format!("read the deployments of app `{app}` of `{environment}`");
        let env = environment.as_str();
        let args = ["app", "history", "--json", "--env", env, "--", app];
        let rows: Vec<VersionRow> = self.json(&what, &args, cancel).await?;
        let mut versions: Vec<AppVersion> = rows
            .into_iter()
            .filter_map(VersionRow::into_version)
            .collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        Ok(versions)
    }

    async fn app_rows(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<Vec<AppRow>, ModalError> {
        let what = format!("list the apps of environment `{environment}`");
        let args = ["app", "list", "--json", "--env", environment.as_str()];
        self.json(&what, &args, cancel).await
    }

    async fn deployed(
        &self,
        environment: &Environment,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<AppRow>, ModalError> {
        let rows = self.app_rows(environment, cancel).await?;
        Ok(rows.into_iter().find(|row| row.is_deployed_as(app)))
    }

    fn command(&self, args: &[&str]) -> Command {
        // Times are printed as a clock on the wall shows them.
        self.cli
            .command(&self.options)
            .env("TZ", "UTC")
            .args(args)
            .timeout(TIMEOUT)
    }

    async fn text(
        &self,
        what: &str,
        args: &[&str],
        cancel: &CancellationToken,
    ) -> Result<String, ModalError> {
        self.run(what, self.command(args), cancel).await
    }

    async fn run(
        &self,
        what: &str,
        command: Command,
        cancel: &CancellationToken,
    ) -> Result<String, ModalError> {
        let output = command
            .run(cancel)
            .await
            .map_err(|source| self.cli.error(what, source))?;
        Ok(output.stdout_text())
    }

    async fn json<T: DeserializeOwned>(
        &self,
        what: &str,
        args: &[&str],
        cancel: &CancellationToken,
    ) -> Result<T, ModalError> {
        let text = self.text(what, args, cancel).await?;
        serde_json::from_str(&text).map_err(|error| ModalError::CliAnswer {
            what: what.to_owned(),
            problem: error.to_string(),
        })
    }
}
