use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use octocrab::{Octocrab, OctocrabBuilder};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::call::{Caller, Method, Operation};
use crate::refusal::Redactor;
use crate::{GithubError, RepoName, Retry};

/// GitHub's public API.
const GITHUB_COM: &str = "https://api.github.com";
/// The longest time for one request, the answer's body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Which repository, where, and as whom.
#[derive(Clone, Debug)]
pub struct RepoOptions {
    /// The API's address; default `https://api.github.com`. On a GitHub Enterprise Server it is the
    /// value of `GITHUB_API_URL`: `https://github.example.com/api/v3`. Plain `http` is taken for
    /// this machine only.
    pub api_url: String,
    /// The repository.
    pub name: RepoName,
    /// The token; without one, only public repositories can be read.
    pub token: Option<SecretString>,
    /// How failing calls are repeated.
    pub retry: Retry,
    /// Ends every call of this repository when cancelled.
    pub cancel: CancellationToken,
}

impl RepoOptions {
    /// The repository `name` on github.com, without a token.
    #[must_use]
    pub fn new(name: RepoName) -> Self {
        Self {
            api_url: GITHUB_COM.to_owned(),
            name,
            token: None,
            retry: Retry::default(),
            cancel: CancellationToken::new(),
        }
    }
}

/// One repository on GitHub. Cheap to clone.
#[derive(Clone)]
pub struct Repo {
    pub(crate) name: RepoName,
    pub(crate) caller: Caller,
    /// Sends to where the GraphQL API is.
    pub(crate) graphql: Caller,
    /// The repository's id there.
    pub(crate) node: Arc<OnceCell<String>>,
}

impl Repo {
    /// A client for one repository. Makes no call yet. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When the address or the token cannot be used, or outside a Tokio runtime.
    pub fn new(options: RepoOptions) -> Result<Self, GithubError> {
        let RepoOptions {
            api_url,
            name,
            token,
            retry,
            cancel,
        } = options;
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(GithubError::Client {
                reason: "there is no Tokio runtime".to_owned(),
            });
        }
        let token = token
            .map(|token| SecretString::from(token.expose_secret().trim()))
            .filter(|token| !token.expose_secret().is_empty());
        let caller = Caller {
            client: client(&api_url, token.as_ref())?,
            retry,
            cancel,
            redactor: Redactor::new(token.clone()),
        };
        let graphql = Caller {
            client: client(&graphql_root(&api_url), token.as_ref())?,
            ..caller.clone()
        };
        Ok(Self {
            name,
            caller,
            graphql,
            node: Arc::default(),
        })
    }

    /// The repository's name.
    #[must_use]
    pub fn name(&self) -> &RepoName {
        &self.name
    }

    /// The address of `rest` below the repository.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.name)
    }

    /// An operation on `object`; `text` gets the repository's name added.
    pub(crate) fn operation(
        &self,
        text: impl fmt::Display,
        object: impl Into<String>,
        permission: &'static str,
    ) -> Operation {
        Operation {
            text: format!("{text} in {}", self.name),
            object: object.into(),
            permission,
        }
    }

    /// Fails when the repository itself cannot be seen: to GitHub both are 404, to people not.
    pub(crate) async fn check_access(&self, operation: &Operation) -> Result<(), GithubError> {
        let operation = Operation {
            object: format!("repository {}", self.name),
            ..operation.clone()
        };
        let _: serde_json::Value = self
            .caller
            .json(&operation, Method::Get, &self.path(""))
            .await?;
        Ok(())
    }
}

impl fmt::Debug for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repo({})", self.name)
    }
}

fn client(api_url: &str, token: Option<&SecretString>) -> Result<Octocrab, GithubError> {
    let local = check_url(api_url)?;
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = format!("Bearer {}", token.expose_secret());
        // The text itself must not stand in the error.
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            GithubError::invalid("token", "***", "one line of printable characters")
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let failed = |error: &dyn fmt::Display| GithubError::Client {
        reason: error.to_string(),
    };
    let mut http = reqwest::Client::builder()
        .default_headers(headers)
        // A redirect is a renamed repository: following it would work for reading only.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT);
    if local {
        http = http.no_proxy();
    }
    let http = http.build().map_err(|error| failed(&error))?;
    OctocrabBuilder::default()
        .base_uri(api_url)
        .map_err(|_| bad_url(api_url))?
        .add_header(
            USER_AGENT,
            concat!("pipeline/", env!("CARGO_PKG_VERSION")).to_owned(),
        )
        .build_with_reqwest(http)
        .map_err(|error| failed(&error))
}

/// Whether the address is on this machine; an error when it is none of ours to use.
fn check_url(text: &str) -> Result<bool, GithubError> {
    let url = reqwest::Url::parse(text).map_err(|_| bad_url(text))?;
    let host = url.host_str().unwrap_or_default();
    let local = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        "https" if plain && !host.is_empty() => Ok(local),
        "http" if plain && local => Ok(true),
        _ => Err(bad_url(text)),
    }
}

/// The address that `/graphql` lies below: on a GitHub Enterprise Server `…/api/v3` has a sibling.
fn graphql_root(api_url: &str) -> String {
    let trimmed = api_url.trim_end_matches('/');
    trimmed.strip_suffix("/v3").unwrap_or(trimmed).to_owned()
}

fn bad_url(text: &str) -> GithubError {
    // What stands before an `@` may be a password.
    let shown = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    GithubError::invalid(
        "API address",
        shown,
        "https://api.github.com or a server's GITHUB_API_URL, without a user or a query (http for \
         this machine only)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (good, local) in [
            ("https://api.github.com", false),
            ("https://github.example.com/api/v3", false),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:1/api/v3", true),
            ("http://[::1]:1", true),
        ] {
            assert_eq!(check_url(good).unwrap(), local, "{good}");
        }
        for bad in [
            "",
            "api.github.com",
            "http://github.example.com",
            "http://127.0.0.1.example.com",
            "ftp://localhost",
            "https://user:pw@host",
            "https://h/?a=b",
        ] {
            let error = check_url(bad).unwrap_err().to_string();
            assert!(!error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn graphql_is_beside_rest() {
        for (rest, root) in [
            ("https://api.github.com", "https://api.github.com"),
            ("https://api.github.com/", "https://api.github.com"),
            (
                "https://github.example.com/api/v3",
                "https://github.example.com/api",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(graphql_root(rest), root);
        }
    }

    #[tokio::test]
    async fn nothing_shows_the_token() {
        let mut options = RepoOptions::new("a/b".parse().unwrap());
        options.token = Some("ghp_hunter2".into());
        let shown = format!("{options:?} {:?}", Repo::new(options.clone()).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");

        options.token = Some("ghp_hunter2\nX-Evil: 1".into());
        let error = Repo::new(options).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn outside_a_runtime_it_is_an_error_not_a_panic() {
        let options = RepoOptions::new("a/b".parse().unwrap());
        assert!(matches!(
            Repo::new(options),
            Err(GithubError::Client { .. })
        ));
    }
}
