use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client as Upstream, Reference, RegistryOperation};
use registry_model::Repository;
use reqwest::header::HeaderValue;

use crate::proxy::Proxies;
use crate::transport::{CONNECT_TIMEOUT, READ_TIMEOUT, no_answer, said};
use crate::{Credentials, OciError};

/// What a token must allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Pull,
    PullAndPush,
}

/// Gets the `Authorization` header for a request and keeps it until the registry refuses it.
pub(crate) struct Authenticator {
    credentials: Credentials,
    proxies: Proxies,
    known: Mutex<Known>,
    http: OnceLock<Upstream>,
    https: OnceLock<Upstream>,
}

#[derive(Default)]
struct Known {
    /// Registries that want authentication.
    challenging: HashSet<String>,
    /// Tokens hold for one repository and one kind of access.
    headers: HashMap<(Repository, Access), HeaderValue>,
}

impl Authenticator {
    pub(crate) fn new(credentials: Credentials, proxies: Proxies) -> Self {
        Self {
            credentials,
            proxies,
            known: Mutex::default(),
            http: OnceLock::new(),
            https: OnceLock::new(),
        }
    }

    /// The header for a registry that has asked for one before.
    pub(crate) async fn known(
        &self,
        scheme: &str,
        host: &str,
        repository: &Repository,
        access: Access,
        operation: &str,
    ) -> Result<Option<HeaderValue>, OciError> {
        let (challenging, header) = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let header = known.headers.get(&(repository.clone(), access)).cloned();
            (known.challenging.contains(host), header)
        };
        match header {
            None if challenging => {
                self.fetch(scheme, host, repository, access, operation)
                    .await
            }
            header => Ok(header),
        }
    }

    /// Logs in, or does so again. `None` when there is nothing to show.
    pub(crate) async fn fetch(
        &self,
        scheme: &str,
        host: &str,
        repository: &Repository,
        access: Access,
        operation: &str,
    ) -> Result<Option<HeaderValue>, OciError> {
        let credentials = self.credentials.for_host(repository.host()).await?;
        let reference = Reference::with_tag(
            host.to_owned(),
            repository.path().to_owned(),
            "latest".to_owned(),
        );
        let wanted = match access {
            Access::Pull => RegistryOperation::Pull,
            Access::PullAndPush => RegistryOperation::Push,
        };
        let token = self
            .upstream(scheme)?
            .auth(&reference, &credentials, wanted)
            .await
            .map_err(|error| explain(error, operation, host))?;
        let header = match (token, credentials) {
            (Some(token), _) => Some(format!("Bearer {token}")),
            (None, RegistryAuth::Basic(user, password)) => Some(basic(&user, &password)),
            (None, _) => None,
        };
        let header = header.and_then(|header| {
            let mut header = HeaderValue::try_from(header).ok()?;
            header.set_sensitive(true);
            Some(header)
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.challenging.insert(host.to_owned());
        let key = (repository.clone(), access);
        match &header {
            Some(header) => known.headers.insert(key, header.clone()),
            None => known.headers.remove(&key),
        };
        Ok(header)
    }

    fn upstream(&self, scheme: &str) -> Result<&Upstream, OciError> {
        let (cell, protocol) = match scheme {
            "http" => (&self.http, ClientProtocol::Http),
            _ => (&self.https, ClientProtocol::Https),
        };
        if let Some(upstream) = cell.get() {
            return Ok(upstream);
        }
        // Another task may be first; then its client is the one to keep.
        let made = Upstream::try_from(ClientConfig {
            protocol,
            http_proxy: self.proxies.http.clone(),
            https_proxy: self.proxies.https.clone(),
            no_proxy: Some(self.proxies.except.clone()),
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            ..ClientConfig::default()
        });
        match made {
            Ok(made) => Ok(cell.get_or_init(|| made)),
            Err(error) => Err(explain(error, "set up the registry client", "")),
        }
    }
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let plain = format!("{user}:{password}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
    format!("Basic {encoded}")
}

/// `oci-client` gives the body of a failed token request without its status.
fn explain(error: OciDistributionError, operation: &str, host: &str) -> OciError {
    let operation = operation.to_owned();
    match error {
        OciDistributionError::RequestError(source) => no_answer(&operation, source),
        OciDistributionError::AuthenticationFailure(body) => {
            let html = body.trim_start().starts_with('<');
            let message = said(body.as_bytes(), html);
            if html || message.to_ascii_uppercase().contains("TOOMANYREQUESTS") {
                OciError::Unavailable {
                    operation,
                    status: None,
                    message: format!("log in to `{host}`: {message}"),
                    retry_after: None,
                }
            } else {
                OciError::Unauthorized {
                    operation,
                    host: host.to_owned(),
                    message,
                }
            }
        }
        other => OciError::Malformed {
            operation,
            problem: format!("log in to `{host}`: {other}"),
        },
    }
}
