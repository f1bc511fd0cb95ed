use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
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

/// A service that counts its requests, and lets each wait.
#[derive(Clone)]
pub(super) struct Far<S> {
    pub(super) service: S,
    pub(super) latency: Duration,
    pub(super) counts: Counts,
}

impl<S> Service<http::Request<Body>> for Far<S>
where
    S: Service<http::Request<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.counts.add(request.uri().path());
        let latency = self.latency;
        // The one that was polled is ready; its clone may not be.
        let clone = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, clone);
        Box::pin(async move {
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            service.call(request).await
        })
    }
}

impl<S: NamedService> NamedService for Far<S> {
    const NAME: &'static str = S::NAME;
}
