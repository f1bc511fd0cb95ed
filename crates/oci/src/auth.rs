use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use oci_client::secrets::RegistryAuth;
use registry_model::Repository;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::answer::{self, no_answer, said, with_status};
use crate::challenge::Challenge;
use crate::{Credentials, OciError, host};

/// What a token must allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Pull,
    PullAndPush,
}

/// Who asks for what; a token holds for one repository and one kind of access.
pub(crate) struct Asker<'a> {
    pub(crate) http: &'a reqwest::Client,
    /// The registry's own address.
    pub(crate) base: &'a Url,
    pub(crate) repository: &'a Repository,
    pub(crate) access: Access,
    pub(crate) operation: &'a str,
}

/// Gets the `Authorization` header for a request and keeps it until the registry refuses it.
///
/// Many tasks may ask at once: the first one fetches, the others wait for what it gets.
pub(crate) struct Authenticator {
    credentials: Credentials,
    insecure_hosts: Vec<String>,
    /// How each registry asks, once it has.
    challenges: Mutex<HashMap<String, Challenge>>,
    logins: Mutex<HashMap<String, Arc<OnceCell<RegistryAuth>>>>,
    slots: Mutex<HashMap<(Repository, Access), Arc<Slot>>>,
}

type Slot = tokio::sync::Mutex<Shown>;

/// What there is to show.
#[derive(Default)]
enum Shown {
    #[default]
    Unknown,
    Header(HeaderValue),
    /// The token server refused: asking again could lock the account.
    Refused(Refusal),
}

/// What a token server says to refuse.
#[derive(Clone)]
struct Refusal {
    /// 403: it may know who asks, or be shown nothing and say nothing of what there is, as GHCR's
    /// does of a package that is not there.
    forbids: bool,
    message: String,
}

impl Refusal {
    fn error(self, asker: &Asker<'_>, login: &RegistryAuth) -> OciError {
        let operation = asker.operation.to_owned();
        let host = asker.repository.host().to_owned();
        match self.forbids {
            true => OciError::Forbidden {
                operation,
                host,
                message: self.message,
            },
            false => OciError::Unauthorized {
                operation,
                host,
                login: matches!(login, RegistryAuth::Basic(..)),
                message: self.message,
            },
        }
    }
}

/// Why there is no token.
enum NoToken {
    Refused(Refusal),
    Other(OciError),
}

impl Authenticator {
    pub(crate) fn new(credentials: Credentials, insecure_hosts: Vec<String>) -> Self {
        Self {
            credentials,
            insecure_hosts,
            challenges: Mutex::default(),
            logins: Mutex::default(),
            slots: Mutex::default(),
        }
    }

    /// The header for a registry that has asked for one before.
    pub(crate) async fn known(&self, asker: &Asker<'_>) -> Result<Option<HeaderValue>, OciError> {
        let challenge = {
            let all = self.challenges.lock();
            let all = all.unwrap_or_else(PoisonError::into_inner);
            all.get(asker.repository.host()).cloned()
        };
        let Some(challenge) = challenge else {
            return Ok(None);
        };
        if asker.access == Access::Pull {
            // Who may push may pull as well.
            let stronger = self.slot(asker.repository, Access::PullAndPush);
            if let Shown::Header(header) = &*stronger.lock().await {
                return Ok(Some(header.clone()));
            }
        }
        self.header(asker, &challenge, None).await
    }

    /// Meets a challenge, unless another task has done so since `refused` was shown. `None` when
    /// there is nothing else to show.
    pub(crate) async fn meet(
        &self,
        asker: &Asker<'_>,
        challenge: &Challenge,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, OciError> {
        self.challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(asker.repository.host().to_owned(), challenge.clone());
        if asker.access == Access::Pull {
            let stronger = self.slot(asker.repository, Access::PullAndPush);
            let mut stronger = stronger.lock().await;
            if matches!(&*stronger, Shown::Header(header) if Some(header) == refused) {
                *stronger = Shown::Unknown;
            }
        }
        let header = self.header(asker, challenge, refused).await?;
        Ok(header.filter(|header| Some(header) != refused))
    }

    /// Whether there is no login for this registry.
    pub(crate) async fn is_anonymous(&self, host: &str) -> Result<bool, OciError> {
        Ok(!matches!(self.login(host).await?, RegistryAuth::Basic(..)))
    }

    /// Whether the token server refused to let us push.
    pub(crate) async fn is_refused(&self, repository: &Repository) -> bool {
        let slot = self.slot(repository, Access::PullAndPush);
        let shown = slot.lock().await;
        matches!(&*shown, Shown::Refused(_))
    }

    fn slot(&self, repository: &Repository, access: Access) -> Arc<Slot> {
        let slots = self.slots.lock();
        let mut slots = slots.unwrap_or_else(PoisonError::into_inner);
        slots
            .entry((repository.clone(), access))
            .or_default()
            .clone()
    }

    /// What is stored for a registry, asked for once: a credential helper is a program.
    async fn login(&self, host: &str) -> Result<RegistryAuth, OciError> {
        let cell = {
            let logins = self.logins.lock();
            let mut logins = logins.unwrap_or_else(PoisonError::into_inner);
            logins.entry(host.to_owned()).or_default().clone()
        };
        cell.get_or_try_init(|| self.credentials.for_host(host))
            .await
            .cloned()
    }

    async fn header(
        &self,
        asker: &Asker<'_>,
        challenge: &Challenge,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, OciError> {
        let slot = self.slot(asker.repository, asker.access);
        let mut shown = slot.lock().await;
        let login = self.login(asker.repository.host()).await?;
        match &*shown {
            Shown::Header(header) if Some(header) != refused => return Ok(Some(header.clone())),
            Shown::Refused(refusal) => return Err(refusal.clone().error(asker, &login)),
            _ => {}
        }
        let header = match challenge {
            Challenge::Basic => basic(&login),
            Challenge::Bearer { realm, service } => {
                match self.token(asker, realm, service.as_deref(), &login).await {
                    Ok(token) => Some(format!("Bearer {token}")),
                    Err(NoToken::Refused(refusal)) => {
                        *shown = Shown::Refused(refusal.clone());
                        return Err(refusal.error(asker, &login));
                    }
                    Err(NoToken::Other(error)) => return Err(error),
                }
            }
        };
        let Some(header) = header else {
            return Ok(None);
        };
        let mut header = HeaderValue::try_from(header).map_err(|_| OciError::Malformed {
            operation: asker.operation.to_owned(),
            problem: "the token holds characters that no header takes".to_owned(),
        })?;
        header.set_sensitive(true);
        *shown = Shown::Header(header.clone());
        Ok(Some(header))
    }

    async fn token(
        &self,
        asker: &Asker<'_>,
        realm: &Url,
        service: Option<&str>,
        login: &RegistryAuth,
    ) -> Result<String, NoToken> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let host = asker.repository.host();
        let malformed = |problem: &str| {
            NoToken::Other(OciError::Malformed {
                operation: asker.operation.to_owned(),
                problem: format!("log in to `{host}`: {problem}"),
            })
        };
        if !self.may_see_the_login(asker.base, realm) {
            return Err(malformed(
                "its token server is not asked, as it does not speak https",
            ));
        }
        let actions = match asker.access {
            Access::Pull => "pull",
            Access::PullAndPush => "pull,push",
        };
        let mut url = realm.clone();
        url.query_pairs_mut().append_pair(
            "scope",
            &format!("repository:{}:{actions}", asker.repository.path()),
        );
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        let mut request = asker.http.get(url).timeout(crate::transport::CALL_TIMEOUT);
        if let Some(header) = basic(login) {
            request = request.header(AUTHORIZATION, header);
        }
        let failed = |source| NoToken::Other(no_answer(asker.operation, source));
        let response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = answer::read(response)
            .await
            .map_err(failed)?
            .unwrap_or_default();
        let typed = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let html = typed.is_some_and(|it| it.starts_with("text/html"))
            || body.trim_ascii_start().starts_with(b"<");
        if html || answer::is_passing(status) {
            return Err(NoToken::Other(OciError::Unavailable {
                operation: asker.operation.to_owned(),
                status: None,
                message: format!(
                    "log in to `{host}`: {}",
                    with_status(status, &said(&body, html))
                ),
                retry_after: answer::retry_after(&headers),
            }));
        }
        if status.is_success() {
            let token: Token =
                serde_json::from_slice(&body).map_err(|_| malformed("the answer is no token"))?;
            return token
                .token
                .or(token.access_token)
                .filter(|token| !token.is_empty())
                .ok_or_else(|| malformed("the answer has no token"));
        }
        let message = said(&body, html);
        Err(NoToken::Refused(Refusal {
            forbids: status == StatusCode::FORBIDDEN,
            message: match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => message,
                status => with_status(status, &message),
            },
        }))
    }

    /// A registry may name any token server, but the login never leaves over plain HTTP, unless
    /// the registry speaks nothing else itself.
    fn may_see_the_login(&self, base: &Url, realm: &Url) -> bool {
        let listed = || {
            let (host, port) = (realm.host_str(), realm.port());
            let authority = match (host, port) {
                (Some(host), Some(port)) => format!("{host}:{port}"),
                (host, _) => host.unwrap_or_default().to_owned(),
            };
            host::scheme(&authority, &self.insecure_hosts) == "http"
        };
        realm.scheme() == "https"
            || (realm.scheme() == "http" && (base.scheme() == "http" || listed()))
    }
}

fn basic(login: &RegistryAuth) -> Option<String> {
    use base64::Engine as _;
    let RegistryAuth::Basic(user, password) = login else {
        return None;
    };
    let plain = format!("{user}:{password}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
    Some(format!("Basic {encoded}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_goes_to_encrypted_or_listed_token_servers_only() {
        let insecure = vec!["auth.lan:81".to_owned()];
        let authenticator = Authenticator::new(Credentials::Anonymous, insecure);
        for (registry, realm, expected) in [
            ("https://ghcr.io/", "https://ghcr.io/token", true),
            ("https://hub.example/", "https://auth.example/token", true),
            ("https://ghcr.io/", "http://ghcr.io/token", false),
            ("https://ghcr.io/", "http://auth.lan/token", false),
            ("https://ghcr.io/", "http://auth.lan:81/token", true),
            ("https://ghcr.io/", "http://127.0.0.1:9/token", true),
            ("http://127.0.0.1:5000/", "http://auth.example/token", true),
            ("http://127.0.0.1:5000/", "ftp://auth.example/token", false),
            ("https://ghcr.io/", "file:///etc/passwd", false),
        ] {
            let (registry, realm) = (registry.parse().unwrap(), realm.parse().unwrap());
            let allowed = authenticator.may_see_the_login(&registry, &realm);
            assert_eq!(allowed, expected, "{registry} {realm}");
        }
    }
}
