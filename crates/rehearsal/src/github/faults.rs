use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::server::Shared;

/// A failure to give instead of an answer, so that a test sees what a client makes of it.
///
/// ```
/// use rehearsal::github::Fault;
///
/// // The next two requests to open a pull request meet a proxy that has lost its backend; they
/// // are carried out all the same.
/// let fault = Fault::bad_gateway("/pulls").method("POST").times(2).after_the_fact();
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    path: String,
    method: Option<String>,
    left: u32,
    after: bool,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Fault {
    /// The next request whose path has `path` in it is answered with this status and JSON message.
    #[must_use]
    pub fn new(path: &str, status: u16, message: &str) -> Self {
        let body = json!({
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": status.to_string(),
        });
        Self {
            path: path.to_owned(),
            method: None,
            left: 1,
            after: false,
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string(),
        }
    }

    /// 403: too many writes in a short time. GitHub says after how many seconds to come again.
    #[must_use]
    pub fn secondary_rate_limit(path: &str, retry_after: u64) -> Self {
        let message = "You have exceeded a secondary rate limit. Please wait a few minutes before \
                       you try again.";
        Self::new(path, 403, message).header("retry-after", &retry_after.to_string())
    }

    /// 429 with `Retry-After`.
    #[must_use]
    pub fn too_many_requests(path: &str, retry_after: u64) -> Self {
        let message = "API rate limit exceeded";
        Self::new(path, 429, message).header("retry-after", &retry_after.to_string())
    }

    /// 502 with a page for people.
    #[must_use]
    pub fn bad_gateway(path: &str) -> Self {
        let fault = Self::new(path, 502, "");
        Self {
            headers: vec![("content-type".to_owned(), "text/html".to_owned())],
            body: "<!DOCTYPE html><title>Unicorn! · GitHub</title><h1>502</h1>".to_owned(),
            ..fault
        }
    }

    /// Only requests of that method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// As many requests; default 1.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = times;
        self
    }

    /// The request is carried out, and only its answer is lost.
    #[must_use]
    pub fn after_the_fact(mut self) -> Self {
        self.after = true;
        self
    }

    /// Adds a header to the failure.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn concerns(&self, request: &Request) -> bool {
        let method = self.method.as_deref();
        self.left > 0
            && method.is_none_or(|method| method == request.method().as_str())
            && request.uri().path().contains(&self.path)
    }

    fn response(&self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = (status, self.body.clone()).into_response();
        response.headers_mut().remove(header::CONTENT_TYPE);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// What a test has switched on.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    faults: Vec<Fault>,
    latency: Duration,
}

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// How long to wait, and what to fail with.
    fn for_request(&self, request: &Request) -> (Duration, Option<Fault>) {
        let mut inner = self.lock();
        let index = inner
            .faults
            .iter()
            .position(|fault| fault.concerns(request));
        let fault = index.map(|index| {
            let fault = &mut inner.faults[index];
            fault.left -= 1;
            let now = fault.clone();
            if fault.left == 0 {
                inner.faults.remove(index);
            }
            now
        });
        (inner.latency, fault)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fails or delays a request as far as a test asks for it.
pub(super) async fn strike(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let (latency, fault) = state.faults().for_request(&request);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match fault {
        None => next.run(request).await,
        Some(fault) if fault.after => {
            next.run(request).await;
            fault.response()
        }
        Some(fault) => fault.response(),
    }
}
