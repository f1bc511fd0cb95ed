use std::time::Duration;

use secrecy::SecretString;

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

    /// Reads `MODAL_TOKEN_ID`, `MODAL_TOKEN_SECRET` and `MODAL_SERVER_URL`, of which the first of
    /// several addresses is taken.
    ///
    /// # Errors
    /// [`ModalError::Setting`] when a token variable is not set or empty.
    pub fn from_env() -> Result<Self, ModalError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ModalError> {
        let set = |name: &str| {
            lookup(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let required = |setting: &'static str| {
            set(setting).ok_or(ModalError::Setting {
                setting,
                problem: "it is not set".to_owned(),
            })
        };
        let options = Self::new(
            required("MODAL_TOKEN_ID")?,
            SecretString::from(required("MODAL_TOKEN_SECRET")?),
        );
        let first = set("MODAL_SERVER_URL")
            .and_then(|list| list.split(',').next().map(|url| url.trim().to_owned()))
            .filter(|url| !url.is_empty());
        Ok(match first {
            Some(url) => options.with_server_url(url),
            None => options,
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ClientOptions, ModalError> {
        ClientOptions::from_lookup(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn takes_the_first_server_and_trims_line_ends_of_tokens() {
        let options = read(&[
            ("MODAL_TOKEN_ID", "ak-1"),
            ("MODAL_TOKEN_SECRET", "as-1\n"),
            ("MODAL_SERVER_URL", "http://one:1 , http://two:2"),
        ])
        .unwrap();
        assert_eq!(options.server_url, "http://one:1");
        assert_eq!(options.token_secret.expose_secret(), "as-1");
        assert!(!format!("{options:?}").contains("as-1"));
    }

    #[test]
    fn names_the_variable_that_is_missing() {
        let error = read(&[("MODAL_TOKEN_ID", "ak-1"), ("MODAL_TOKEN_SECRET", " ")]).unwrap_err();
        assert_eq!(error.to_string(), "read MODAL_TOKEN_SECRET: it is not set");
        assert!(error.hint().unwrap().contains("modal token new"));
        let options = read(&[("MODAL_TOKEN_ID", "a"), ("MODAL_TOKEN_SECRET", "b")]).unwrap();
        assert_eq!(options.server_url, DEFAULT_SERVER_URL);
    }
}
