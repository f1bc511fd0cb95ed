//! An HTTP server that gives prepared answers in their order and remembers the questions.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use oci::{Client, ClientOptions, Credentials, RetryPolicy};
use registry_model::{Digest, PinnedImage, Repository};
use sha2::Digest as _;

pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// One prepared answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Part of the only questions that get it.
    to: Option<String>,
    delay: Duration,
}

pub(crate) fn reply(status: u16) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: Vec::new(),
        to: None,
        delay: Duration::ZERO,
    }
}

impl Reply {
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// For questions that come in no certain order.
    pub(crate) fn to(mut self, part: impl Into<String>) -> Self {
        self.to = Some(part.into());
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(crate) fn digest(self, digest: &Digest) -> Self {
        self.header("docker-content-digest", digest.as_str())
    }
}

/// One question as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `HEAD /v2/team/app/manifests/latest`.
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<Seen>>,
}

pub(crate) struct Server {
    pub(crate) repository: Repository,
    script: Arc<Script>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// A server whose repository is `<host>/team/app`. `replies` gets the host.
    pub(crate) async fn start(replies: impl FnOnce(&str) -> Vec<Reply>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let script = Arc::new(Script::default());
        script.replies.lock().unwrap().extend(replies(&host));
        let app = axum::Router::new()
            .fallback(answer)
            .with_state(script.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            repository: format!("{host}/team/app").parse().unwrap(),
            script,
            task,
        }
    }

    /// What was asked; every prepared answer must have been used up.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        assert_eq!(
            self.script.replies.lock().unwrap().len(),
            0,
            "unused replies"
        );
        self.script.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub(crate) fn image(&self, content: &str) -> PinnedImage {
        self.repository.at(digest(content))
    }
}

async fn answer(
    State(script): State<Arc<Script>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let text = |name: &str| {
        let value = headers.get(name)?.to_str().unwrap();
        Some(value.to_owned())
    };
    let line = format!("{method} {uri}");
    script.seen.lock().unwrap().push(Seen {
        line: line.clone(),
        authorization: text("authorization"),
        content_type: text("content-type"),
        body,
    });
    let next = {
        let mut replies = script.replies.lock().unwrap();
        let fits = |reply: &Reply| reply.to.as_ref().is_none_or(|part| line.contains(part));
        let place = replies.iter().position(fits);
        place.and_then(|place| replies.remove(place))
    };
    let reply = next.unwrap_or_else(|| reply(418).body("no answer prepared"));
    tokio::time::sleep(reply.delay).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}

pub(crate) fn digest(content: impl AsRef<[u8]>) -> Digest {
    let hex = hex::encode(sha2::Sha256::digest(content));
    format!("sha256:{hex}").parse().unwrap()
}

/// Three attempts with pauses of a few milliseconds.
pub(crate) fn client(credentials: Credentials) -> Client {
    Client::new(ClientOptions {
        retry: RetryPolicy {
            attempts: 3,
            base_delay: Duration::from_millis(2),
            max_delay: Duration::from_millis(5),
            total: Duration::from_secs(10),
        },
        credentials,
        ..ClientOptions::default()
    })
    .unwrap()
}

pub(crate) fn anonymous() -> Client {
    client(Credentials::Anonymous)
}
