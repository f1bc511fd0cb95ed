use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};

use super::headers::{Identity, show_warnings};
use super::options::ClientOptions;
use super::retry::{Attempts, Next};
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
    stub: Stub,
    identity: Identity,
    token: TokenCache,
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
        let channel = endpoint(&options.server_url)?.connect_lazy();
        let stub = Stub::new(channel)
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE);
        Ok(Self {
            inner: Arc::new(Inner {
                stub,
                identity,
                token: TokenCache::default(),
                options,
            }),
        })
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// An operation with the usual deadline.
    pub(crate) fn operation(&self, rpc: &'static str, what: impl Into<String>) -> Operation {
        Operation {
            rpc,
            what: what.into(),
            deadline: self.inner.options.attempt_timeout,
        }
    }

    /// Calls a remote procedure, with auth token, deadline and retries.
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
        let token = self.inner.token.get(|| self.fetch_token()).await?;
        self.attempts(operation, token, request, send).await
    }

    async fn fetch_token(&self) -> Result<Option<String>, ModalError> {
        let operation = Operation {
            rpc: "AuthTokenGet",
            what: "sign in".to_owned(),
            deadline: TOKEN_ATTEMPT.min(self.inner.options.attempt_timeout),
        };
        let late = || {
            let status = Status::deadline_exceeded(format!("no answer within {TOKEN_TOTAL:?}"));
            self.rpc_error(&operation, &status)
        };
        let fetch = self.attempts(
            operation.clone(),
            None,
            AuthTokenGetRequest {},
            |mut stub, request| async move { stub.auth_token_get(request).await },
        );
        match tokio::time::timeout(TOKEN_TOTAL, fetch).await {
            Ok(Ok(answer)) => Ok(Some(answer.token).filter(|token| !token.is_empty())),
            // A server older than auth tokens takes the token headers alone.
            Ok(Err(error)) if error.grpc_code() == Some(Code::Unimplemented) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(late()),
        }
    }

    async fn attempts<Req, Res, F>(
        &self,
        operation: Operation,
        token: Option<MetadataValue<Ascii>>,
        request: Req,
        send: impl Fn(Stub, Request<Req>) -> F,
    ) -> Result<Res, ModalError>
    where
        Req: Clone,
        F: Future<Output = Result<Response<Res>, Status>>,
    {
        let Operation { rpc, deadline, .. } = operation;
        let key = uuid::Uuid::new_v4().to_string().parse();
        let key: MetadataValue<Ascii> =
            key.unwrap_or_else(|_| MetadataValue::from_static("unknown"));
        let first = Instant::now();
        let mut attempts = Attempts::default();
        loop {
            let mut attempt = Request::new(request.clone());
            *attempt.metadata_mut() =
                self.inner
                    .identity
                    .of_attempt(token.as_ref(), &key, attempts, first.elapsed());
            attempt.set_timeout(deadline);
            let started = Instant::now();
            let answer =
                tokio::time::timeout(deadline, send(self.inner.stub.clone(), attempt)).await;
            let status = match answer {
                Ok(Ok(response)) => {
                    show_warnings(rpc, response.metadata());
                    tracing::debug!(rpc, elapsed = ?first.elapsed(), "answered");
                    return Ok(response.into_inner());
                }
                // Whichever of the two clocks rings first, the message is the same.
                Ok(Err(status)) if started.elapsed() < deadline => status,
                _ => Status::deadline_exceeded(format!("no answer within {deadline:?}")),
            };
            show_warnings(rpc, status.metadata());
            match attempts.after(&status, self.inner.options.throttle_limit) {
                Next::Wait(delay) => {
                    tracing::debug!(rpc, code = ?status.code(), ?delay, "trying again");
                    tokio::time::sleep(delay).await;
                }
                Next::GiveUp => return Err(self.rpc_error(&operation, &status)),
                Next::Throttled(asked) => {
                    return Err(ModalError::Throttled {
                        what: operation.what,
                        asked,
                        limit: self.inner.options.throttle_limit,
                    });
                }
            }
        }
    }

    fn rpc_error(&self, operation: &Operation, status: &Status) -> ModalError {
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
            what: operation.what.clone(),
            rpc: operation.rpc,
            server: self.inner.options.server_url.clone(),
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
}
