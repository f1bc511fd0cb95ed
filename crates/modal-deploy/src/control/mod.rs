//! Who asks Modal: the client of this crate, or Modal's own command line.

mod cli;
mod native;

use std::collections::BTreeMap;

use registry_model::Environment;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

pub use cli::CliControl;

use crate::ModalError;
use crate::client::{
    AppState, AppVersion, Call, Client, ClientOptions, EnvironmentInfo, KeyChange, ListedApp,
    Reply, StoredSecret, TokenInfo,
};

/// Modal as the stages see it. Both kinds do the same; the command line tells less, starts Python
/// for each question, and is there for the day when Modal's gRPC interface has changed.
#[derive(Clone, Debug)]
pub enum Control {
    /// The client of this crate.
    Native(Client),
    /// The program `modal`.
    Cli(CliControl),
}

macro_rules! either {
    ($self:ident, $one:ident => $call:expr) => {
        match $self {
            Self::Native($one) => $call.await,
            Self::Cli($one) => $call.await,
        }
    };
}

impl Control {
    /// The token and the server.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        match self {
            Self::Native(client) => client.options(),
            Self::Cli(cli) => &cli.options,
        }
    }

    /// Whose token it is, and of which workspace. `None` where nobody can tell.
    pub async fn token(&self, cancel: &CancellationToken) -> Result<Option<TokenInfo>, ModalError> {
        either!(self, one => one.ask_token(cancel))
    }

    /// All environments of the workspace.
    pub async fn environments(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Vec<EnvironmentInfo>, ModalError> {
        either!(self, one => one.ask_environments(cancel))
    }

    /// Makes an environment; that it exists already is no error.
    pub async fn create_environment(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        either!(self, one => one.make_environment(environment, cancel))
    }

    /// All secrets of an environment, by name and keys.
    pub async fn secrets(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<Vec<StoredSecret>, ModalError> {
        either!(self, one => one.ask_secrets(environment, cancel))
    }

    /// Makes a secret, or replaces all its keys.
    pub async fn upsert_secret(
        &self,
        environment: &Environment,
        name: &str,
        values: &BTreeMap<String, SecretString>,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        either!(self, one => one.write_secret(environment, name, values, cancel))
    }

    /// Changes single keys of a secret and leaves the others; `false` where this cannot be done.
    pub async fn change_keys(
        &self,
        environment: &Environment,
        name: &str,
        changes: &[KeyChange],
        cancel: &CancellationToken,
    ) -> Result<bool, ModalError> {
        either!(self, one => one.write_keys(environment, name, changes, cancel))
    }

    /// The app that is deployed under `name`, if there is one.
    pub async fn app(
        &self,
        environment: &Environment,
        name: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<AppState>, ModalError> {
        either!(self, one => one.ask_app(environment, name, cancel))
    }

    /// All apps of an environment, stopped ones included.
    pub async fn apps(
        &self,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<Vec<ListedApp>, ModalError> {
        either!(self, one => one.ask_apps(environment, cancel))
    }

    /// The deployments of an app, the newest first; empty when there is no such app.
    pub async fn history(
        &self,
        environment: &Environment,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<AppVersion>, ModalError> {
        either!(self, one => one.ask_history(environment, app, cancel))
    }

    /// Modal's own rollback: a new version with what `version` had.
    pub async fn native_rollback(
        &self,
        environment: &Environment,
        app: &str,
        version: u32,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        either!(self, one => one.roll_back(environment, app, version, cancel))
    }

    /// New containers for what is live, so that they see changed secrets.
    pub async fn rollover(
        &self,
        environment: &Environment,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        either!(self, one => one.roll_over(environment, app, cancel))
    }

    /// Calls a deployed function and waits for what it returns.
    pub async fn call(
        &self,
        call: &Call<'_>,
        cancel: &CancellationToken,
    ) -> Result<Reply, ModalError> {
        either!(self, one => one.call(call, cancel))
    }

    /// Modal's id of the image that `function` of an app runs in, at `version` or as it is live;
    /// `None` where nobody can tell.
    pub async fn image_id(
        &self,
        environment: &Environment,
        app: &str,
        function: &str,
        version: Option<u32>,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, ModalError> {
        either!(self, one => one.ask_image(environment, app, function, version, cancel))
    }
}
