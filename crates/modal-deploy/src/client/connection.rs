use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};

use super::headers::{Identity, Tries, show_warnings};
use super::options::ClientOptions;
use super::retry::Next;
use super::secret_store::SecretIds;
use super::token::TokenCache;
use crate::ModalError;
use crate::error::GrpcCode;
use crate::proto::AuthTokenGetRequest;
use crate::proto::modal_client_client::ModalClientClient;

pub(crate) type Stub = ModalClientClient<Channel>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const LARGEST_MESSAGE: usize = 100 * 1024 * 1024;
const WINDOW: u32 = 64 * 1024 * 1024;
const TOKEN_ATTEMPT: Duration = Duration::from_secs(5);
const TOKEN_TOTAL: Duration = Duration::from_secs(15);

/// A connection to a Modal control plane. Clones share it, and may be used side by side.
///
/// Every remote procedure has a deadline; what may be transient (a lost connection, an overload)
/// is tried again with one idempotency key. Dropping a future of this type ends its request.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    control: Plane,
    /// Input planes by address and region.
    inputs: Mutex<BTreeMap<(String, String), Plane>>,
    identity: Identity,
    token: TokenCache,
    pub(super) secret_ids: SecretIds,
    pub(crate) options: ClientOptions,
}

/// What one call of [`Client::unary`] is about.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) rpc: &'static str,
    /// The operation and its object, as an error shows them.
    pub(crate) what: String,
    /// The deadline of one attempt.
    pub(crate) deadline: Duration,
    /// Who answers it.
    pub(crate) plane: Plane,
}

/// A server that answers remote procedures.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    url: String,
    stub: Stub,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Control,
    Input {
        /// Which one it serves, if it says so.
        region: Option<MetadataValue<Ascii>>,
    },
}

impl Plane {
    fn new(url: &str, kind: Kind) -> Result<Self, ModalError> {
        let stub = Stub::new(endpoint(url)?.connect_lazy())
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE);
        Ok(Self {
            url: url.to_owned(),
            stub,
            kind,
        })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.inner.options.server_url)
    }
}

impl Client {
    /// Prepares a connection; the first call opens it, so that one rule of retries serves all.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ModalError::Setting`] when the address or the token is unusable.
    pub fn connect(options: ClientOptions) -> Result<Self, ModalError> {
        let identity = Identity::new(&options)?;
        Ok(Self {
            inner: Arc::new(Inner {
                control: Plane::new(&options.server_url, Kind::Control)?,
                inputs: Mutex::default(),
                identity,
                token: TokenCache::default(),
                secret_ids: SecretIds::default(),
                options,
            }),
        })
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// The input plane at this address, which the control plane named.
    pub(crate) fn input_plane(&self, url: &str, region: &str) -> Result<Plane, ModalError> {
        // A token that went to the control plane encrypted goes nowhere else in the clear.
        if url.starts_with("http://") && !self.inner.control.url.starts_with("http://") {
            return Err(ModalError::Setting {
                setting: "the address of the input plane",
                problem: format!("expected `https://…`, found `{url}`"),
            });
        }
        let mut known = self
            .inner
            .inputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let key = (url.to_owned(), region.to_owned());
        if let Some(plane) = known.get(&key) {
            return Ok(plane.clone());
        }
        let region = region.parse().ok().filter(|_| !region.is_empty());
        let plane = Plane::new(url, Kind::Input { region })?;
        known.insert(key, plane.clone());
        Ok(plane)
    }

    /// An operation with the usual deadline.
    pub(crate) fn operation(&self, rpc: &'static str, what: impl Into<String>) -> Operation {
        Operation {
            rpc,
            what: what.into(),
            deadline: self.inner.options.attempt_timeout,
            plane: self.inner.control.clone(),
        }
    }

    /// Calls a remote procedure, with deadline and retries, and with an auth token where one is
    /// needed: an input plane takes nothing else. A control plane takes the token headers alone,
    /// as Modal's Python client sends them, and gets one when it refuses those.
    pub(crate) async fn unary<Req, Res, F>(
        &self,
        operation: Operation,
        request: Req,
        send: impl Fn(Stub, Request<Req>) -> F,
    ) -> Result<Res, ModalError>
    where
        Req: Clone,
        F: Future<Output = Result<Response<Res>, Status>>,
    {
        let tokens = &self.inner.token;
        let token = match operation.plane.kind {
            Kind::Control => tokens.get_if_used(|| self.fetch_token()).await?,
            Kind::Input { .. } => tokens.get(|| self.fetch_token()).await?,
        };
        let mut tries = Tries::default();
        let refused = match self
            .attempts(&operation, token.as_ref(), &mut tries, &request, &send)
            .await
        {
            Err(error) if error.grpc_code() == Some(Code::Unauthenticated) => error,
            other => return other,
        };
        // Servers may take an auth token back before its time: a new one, once.
        if let Some(token) = &token {
            tokens.forget(token).await;
        }
        let Some(token) = tokens.get(|| self.fetch_token()).await? else {
            return Err(refused);
        };
        self.attempts(&operation, Some(&token), &mut tries, &request, &send)
            .await
    }

    async fn fetch_token(&self) -> Result<Option<String>, ModalError> {
        let mut operation = self.operation("AuthTokenGet", "sign in");
        operation.deadline = operation.deadline.min(TOKEN_ATTEMPT);
        let late = || {
            let status = Status::deadline_exceeded(format!("no answer within {TOKEN_TOTAL:?}"));
            operation.refused(&status)
        };
        let mut tries = Tries::default();
        let request = AuthTokenGetRequest {};
        let send = |mut stub: Stub, request| async move { stub.auth_token_get(request).await };
        let fetch = self.attempts(&operation, None, &mut tries, &request, &send);
        match tokio::time::timeout(TOKEN_TOTAL, fetch).await {
            Ok(Ok(answer)) => Ok(Some(answer.token).filter(|token| !token.is_empty())),
            // A server older than auth tokens takes the token headers alone.
            Ok(Err(ModalError::Unsupported { .. })) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(late()),
        }
    }

    async fn attempts<Req, Res, F>(
        &self,
        operation: &Operation,
        token: Option<&MetadataValue<Ascii>>,
        tries: &mut Tries,
        request: &Req,
        send: &impl Fn(Stub, Request<Req>) -> F,
    ) -> Result<Res, ModalError>
    where
        Req: Clone,
        F: Future<Output = Result<Response<Res>, Status>>,
    {
        let Operation { rpc, deadline, .. } = *operation;
        let limit = self.inner.options.throttle_limit;
        loop {
            let mut attempt = Request::new(request.clone());
            *attempt.metadata_mut() = self.inner.identity.of_attempt(token, tries);
            if let Kind::Input {
                region: Some(region),
            } = &operation.plane.kind
            {
                let headers = attempt.metadata_mut();
                headers.insert("x-modal-input-plane-region", region.clone());
            }
            attempt.set_timeout(deadline);
            let started = Instant::now();
            let sent = send(operation.plane.stub.clone(), attempt);
            let status = match tokio::time::timeout(deadline, sent).await {
                Ok(Ok(response)) => {
                    show_warnings(rpc, response.metadata());
                    tracing::debug!(rpc, elapsed = ?tries.first.elapsed(), "answered");
                    return Ok(response.into_inner());
                }
                // Whichever of the two clocks rings first, the message is the same.
                Ok(Err(status)) if started.elapsed() < deadline => status,
                _ => Status::deadline_exceeded(format!("no answer within {deadline:?}")),
            };
            show_warnings(rpc, status.metadata());
            match tries.attempts.after(&status, limit) {
                Next::Wait(delay) => {
                    tracing::debug!(rpc, code = ?status.code(), ?delay, "trying again");
                    tokio::time::sleep(delay).await;
                }
                Next::GiveUp => return Err(operation.refused(&status)),
                Next::Throttled(asked) => {
                    return Err(ModalError::Throttled {
                        what: operation.what.clone(),
                        asked,
                        limit,
                    });
                }
            }
        }
    }
}

impl Operation {
    /// The same at another server.
    pub(crate) fn at(mut self, plane: &Plane) -> Self {
        self.plane = plane.clone();
        self
    }

    fn refused(&self, status: &Status) -> ModalError {
        let what = self.what.clone();
        let server = self.plane.url.clone();
        if status.code() == Code::Unimplemented {
            return ModalError::Unsupported {
                what,
                rpc: self.rpc,
                server,
            };
        }
        let mut message = status.message().to_owned();
        let mut cause = status.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = inner.source();
        }
        ModalError::Rpc {
            what,
            rpc: self.rpc,
            server,
            code: GrpcCode(status.code()),
            message,
        }
    }
}

fn endpoint(url: &str) -> Result<Endpoint, ModalError> {
    let wrong = |problem: String| ModalError::Setting {
        setting: "MODAL_SERVER_URL",
        problem,
    };
    let shape = || wrong(format!("expected `https://…` or `http://…`, found `{url}`"));
    let tls = url.starts_with("https://");
    if !tls && !url.starts_with("http://") {
        return Err(shape());
    }
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|_| shape())?
        .connect_timeout(CONNECT_TIMEOUT)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    if !tls {
        return Ok(endpoint);
    }
    endpoint
        .clone()
        .tls_config(ClientTlsConfig::new().with_enabled_roots())
        // A machine without a certificate store is served by the roots built in.
        .or_else(|_| endpoint.tls_config(ClientTlsConfig::new().with_webpki_roots()))
        .map_err(|error| wrong(format!("TLS cannot be set up: {error}")))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn connect(url: &str) -> Result<Client, ModalError> {
        Client::connect(ClientOptions::new("ak", SecretString::from("as")).with_server_url(url))
    }

    #[tokio::test]
    async fn takes_http_and_https_and_refuses_the_rest() {
        for good in ["https://api.modal.com", "http://127.0.0.1:1"] {
            assert_eq!(
                format!("{:?}", connect(good).unwrap()),
                format!("Client({good})")
            );
        }
        for bad in ["api.modal.com", "ftp://x", "", "https://", "http://a b"] {
            let error = connect(bad).unwrap_err();
            assert_eq!(error.class(), crate::ErrorClass::Input, "{bad}");
            assert!(error.to_string().contains("expected `https://"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_token_that_travels_encrypted_is_sent_nowhere_in_the_clear() {
        let client = connect("https://api.modal.com").unwrap();
        let refused = client.input_plane("http://10.0.0.1:80", "eu").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "read the address of the input plane: expected `https://…`, found `http://10.0.0.1:80`"
        );
        client.input_plane("https://eu.modal.com", "eu").unwrap();
    }
}
