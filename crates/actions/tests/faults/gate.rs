//! A way to an embedded service on which one kind of request never arrives.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The biggest bodies are layers with a shell, of about 1 MiB.
const LARGEST: usize = 16 << 20;

/// Hands everything on to the service, but for the request that it waits for: that one hangs.
pub(crate) struct Gate {
    url: String,
    way: Arc<Way>,
    task: JoinHandle<()>,
}

struct Way {
    to: String,
    method: Method,
    path: &'static str,
    reached: Notify,
    client: reqwest::Client,
}

impl Gate {
    /// A gate in front of the service at `to`, closed for requests of `method` that have `path` in
    /// theirs.
    pub(crate) async fn before(to: String, method: Method, path: &'static str) -> Self {
        let way = Arc::new(Way {
            to,
            method,
            path,
            reached: Notify::new(),
            client: reqwest::Client::new(),
        });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(pass).with_state(Arc::clone(&way));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, way, task }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Waits until a request stands before the gate.
    pub(crate) async fn reached(&self) {
        let reached = self.way.reached.notified();
        let limit = std::time::Duration::from_secs(60);
        tokio::time::timeout(limit, reached)
            .await
            .unwrap_or_else(|_| panic!("no {} …{}", self.way.method, self.way.path));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(State(way): State<Arc<Way>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method == way.method && parts.uri.path().contains(way.path) {
        way.reached.notify_one();
        return std::future::pending().await;
    }
    let body = to_bytes(body, LARGEST).await.unwrap();
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let sent = way
        .client
        .request(parts.method, format!("{}{}", way.to, parts.uri))
        .headers(headers)
        .body(body)
        .send()
        .await;
    let Ok(answer) = sent else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != header::TRANSFER_ENCODING {
            response = response.header(name, value);
        }
    }
    let bytes = answer.bytes().await.unwrap();
    response.body(Body::from(bytes)).unwrap()
}
