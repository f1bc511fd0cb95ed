use std::time::Duration;

use secrecy::SecretString;

use super::profile;
use crate::ModalError;

/// The address of Modal's control plane.
pub const DEFAULT_SERVER_URL: &str = "https://api.modal.com";

/// How to reach a control plane, and as whom.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    /// `https://…`, or `http://…` without TLS; default [`DEFAULT_SERVER_URL`].
    pub server_url: String,
    /// The public half of the token, `ak-…`.
    pub token_id: String,
    /// The secret half, `as-…`.
    pub token_secret: SecretString,
    /// What `x-modal-client-type` says. Modal has no number for Rust; 9, the default, is Go's,
    /// whose behaviour this client follows.
    pub client_type: u32,
    /// What `x-modal-client-version` says: the version of Modal's Python package whose behaviour
    /// the control plane may expect; default `1.0.0`, as Modal's Go client says.
    pub client_version: String,
    /// What `x-modal-libmodal-version` says; default the name and version of this crate.
    pub library_version: String,
    /// How long one attempt of one remote procedure may take; default 15 s.
    pub attempt_timeout: Duration,
    /// How long all the waiting that the server asks for may take in one remote procedure;
    /// default 120 s.
    pub throttle_limit: Duration,
}

impl ClientOptions {
    /// The defaults with this token.
    #[must_use]
    pub fn new(token_id: impl Into<String>, token_secret: SecretString) -> Self {
        Self {
            server_url: DEFAULT_SERVER_URL.to_owned(),
            token_id: token_id.into(),
            token_secret,
            client_type: 9,
            client_version: "1.0.0".to_owned(),
            library_version: concat!("modal-deploy-rs/", env!("CARGO_PKG_VERSION")).to_owned(),
            attempt_timeout: Duration::from_secs(15),
            throttle_limit: Duration::from_secs(120),
        }
    }

    /// Another control plane.
    #[must_use]
    pub fn with_server_url(mut self, url: impl Into<String>) -> Self {
        self.server_url = url.into();
        self
    }

    /// What Modal's own client would take: `MODAL_TOKEN_ID`, `MODAL_TOKEN_SECRET` and
    /// `MODAL_SERVER_URL` (the first of several addresses), and what of these is not set from a
    /// profile of `~/.modal.toml`. `MODAL_CONFIG_PATH` names another file, and `MODAL_PROFILE`
    /// another profile than the active one.
    ///
    /// Unlike there, the halves of a token are never mixed: when one is set, so must be the other.
    ///
    /// # Errors
    /// [`ModalError::Setting`] when there is no token, [`ModalError::Profile`] when the file
    /// cannot be understood. Neither shows a token.
    pub fn from_env() -> Result<Self, ModalError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ModalError> {
        let set = |name: &str| {
            lookup(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let wanted = set("MODAL_PROFILE");
        let path = profile::path(set);
        let complete = ["MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "MODAL_SERVER_URL"]
            .into_iter()
            .all(|name| set(name).is_some());
        let profile = match &path {
            Some(path) if !complete => profile::read(path, wanted.as_deref())?,
            _ => None,
        };
        // Why the file is no help, for whoever thought that it is.
        let missing = |setting: &'static str| {
            let file = path.as_ref().map(|path| path.display());
            let name = wanted
                .as_deref()
                .or(profile.as_ref().map(|one| one.name.as_str()));
            let problem = match (file, name) {
                (Some(file), Some(name)) => {
                    format!("it is not set, and profile `{name}` of `{file}` does not tell it")
                }
                (Some(file), None) => format!("it is not set, and there is no `{file}`"),
                (None, _) => "it is not set".to_owned(),
            };
            ModalError::Setting { setting, problem }
        };
        let half = |setting: &'static str| ModalError::Setting {
            setting,
            problem: "it is not set, but the other half of the token is".to_owned(),
        };
        let (id, secret) = match (set("MODAL_TOKEN_ID"), set("MODAL_TOKEN_SECRET")) {
            (Some(id), Some(secret)) => (id, SecretString::from(secret)),
            (Some(_), None) => return Err(half("MODAL_TOKEN_SECRET")),
            (None, Some(_)) => return Err(half("MODAL_TOKEN_ID")),
            (None, None) => {
                let told = profile.as_ref();
                let id = told.and_then(|one| one.token_id.clone());
                let secret = told.and_then(|one| one.token_secret.clone());
                (
                    id.ok_or_else(|| missing("MODAL_TOKEN_ID"))?,
                    secret.ok_or_else(|| missing("MODAL_TOKEN_SECRET"))?,
                )
            }
        };
        let first = set("MODAL_SERVER_URL")
            .or_else(|| profile?.server_url)
            .and_then(|list| list.split(',').next().map(|url| url.trim().to_owned()))
            .filter(|url| !url.is_empty());
        let options = Self::new(id, secret);
        Ok(match first {
            Some(url) => options.with_server_url(url),
            None => options,
        })
    }
}

#[cfg(test)]
mod tests;
