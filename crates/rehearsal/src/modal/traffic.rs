use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, BoxFuture, Bytes, Service, StdError, http};
use tonic::server::NamedService;

/// How often each procedure was asked for.
#[derive(Clone, Default)]
pub(super) struct Counts(Arc<Mutex<BTreeMap<String, usize>>>);

impl Counts {
    fn add(&self, path: &str) {
        let rpc = path.rsplit('/').next().unwrap_or_default();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(rpc.to_owned()).or_default() += 1;
    }

    pub(super) fn of(&self, rpc: &str) -> usize {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(rpc).copied().unwrap_or_default()
    }
}

/// A service that counts its requests, lets each wait, and may want an auth token of it.
#[derive(Clone)]
pub(super) struct Far<S> {
    pub(super) service: S,
    pub(super) latency: Duration,
    /// Whether requests need what `AuthTokenGet` gives.
    pub(super) auth_token: bool,
    pub(super) counts: Counts,
}

impl<S, B> Service<http::Request<Body>> for Far<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.counts.add(request.uri().path());
        let latency = self.latency;
        let refused = self.auth_token
            && !request.uri().path().ends_with("/AuthTokenGet")
            && !request.headers().contains_key("x-modal-auth-token");
        // The one that was polled is ready; its clone may not be.
        let clone = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, clone);
        Box::pin(async move {
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            match refused {
                true => {
                    Ok(Status::unauthenticated("the request carries no auth token").into_http())
                }
                false => Ok(service.call(request).await?.map(Body::new)),
            }
        })
    }
}

impl<S: NamedService> NamedService for Far<S> {
    const NAME: &'static str = S::NAME;
}
