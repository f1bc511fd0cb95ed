//! Stands between a client and the embedded API, and checks every request and every answer against
//! GitHub's description.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use github::CommitSha;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::graphql;
use crate::openapi::{Exchange, GITHUB};
use crate::support::git;

/// A request with this header may be wrong on purpose; its answer may not.
pub(crate) const ON_PURPOSE: &str = "x-wrong-on-purpose";
const LARGEST: usize = 64 * 1024 * 1024;

/// Changes an answer before it is checked and handed on.
pub(crate) type Tamper = fn(&mut Value);

pub(crate) struct Recorder {
    pub(crate) url: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

struct Inner {
    target: String,
    client: reqwest::Client,
    tamper: Option<Tamper>,
    wrong: Mutex<Vec<String>>,
    checked: Mutex<usize>,
    writes: Mutex<Vec<String>>,
    meanwhile: Mutex<Option<(PathBuf, String, CommitSha)>>,
    /// Answers the mutation as a server does that has none of that name.
    old: AtomicBool,
}

impl Recorder {
    /// Somebody pushes: the branch of the repository in `git_dir` is at that commit just before the
    /// next reference is moved or deleted by this client.
    pub(crate) fn meanwhile(&self, git_dir: PathBuf, branch: &str, sha: &CommitSha) {
        let pushed = (git_dir, branch.to_owned(), sha.clone());
        *self.inner.meanwhile.lock().unwrap() = Some(pushed);
    }

    /// From now on the server does not know how to compare and swap.
    pub(crate) fn make_old(&self) {
        self.inner.old.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn start(target: String, tamper: Option<Tamper>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let inner = Arc::new(Inner {
            target,
            client,
            tamper,
            wrong: Mutex::default(),
            checked: Mutex::default(),
            writes: Mutex::default(),
            meanwhile: Mutex::default(),
            old: AtomicBool::new(false),
        });
        let app = Router::new()
            .fallback(pass_on)
            .with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner, task }
    }

    /// What was wrong so far; after this it is forgotten.
    pub(crate) fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.wrong.lock().unwrap())
    }

    /// The requests so far that were to change something; after this they are forgotten.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.writes.lock().unwrap())
    }

    /// How many exchanges were checked.
    pub(crate) fn checked(&self) -> usize {
        *self.inner.checked.lock().unwrap()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
        let wrong = self.take_wrong();
        if !std::thread::panicking() {
            assert!(
                wrong.is_empty(),
                "not as GitHub describes it:\n{}",
                wrong.join("\n")
            );
        }
    }
}

async fn pass_on(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let sent = to_bytes(body, LARGEST).await.unwrap();
    let place = parts.uri.path_and_query().unwrap().as_str();
    let words = String::from_utf8_lossy(&sent);
    if words.contains("updateRefs") && inner.old.load(Ordering::Relaxed) {
        let message = "Field 'updateRefs' doesn't exist on type 'Mutation'";
        let answer = json!({ "errors": [{ "path": ["mutation", "updateRefs"], "message": message,
            "extensions": { "code": "undefinedField" } }] });
        let mut response = Response::new(Body::from(answer.to_string()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        return response;
    }
    let moves = [Method::PATCH, Method::DELETE].contains(&parts.method)
        && parts.uri.path().contains("/git/refs/")
        || words.contains("updateRefs");
    let pushed = inner.meanwhile.lock().unwrap().take_if(|_| moves);
    if let Some((git_dir, branch, sha)) = pushed {
        let name = format!("refs/heads/{branch}");
        git(&git_dir, &["update-ref", &name, sha.as_str()]).await;
    }
    let mut headers = parts.headers.clone();
    let on_purpose = headers.remove(ON_PURPOSE).is_some();
    headers.remove(header::HOST);
    let request = inner
        .client
        .request(parts.method.clone(), format!("{}{place}", inner.target))
        .headers(headers)
        .body(sent.clone());
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let headers = answer.headers().clone();
    let mut received = answer.bytes().await.unwrap().to_vec();
    if let Some(tamper) = inner.tamper
        && let Ok(mut json) = serde_json::from_slice(&received)
    {
        tamper(&mut json);
        received = json.to_string().into_bytes();
    }

    let path = parts.uri.path();
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    let is_graphql = path.ends_with("/graphql");
    let is_query = is_graphql && !String::from_utf8_lossy(&sent).contains("mutation");
    if parts.method != Method::GET && !is_query {
        let write = format!("{} {path}", parts.method);
        inner.writes.lock().unwrap().push(write);
    }
    // The GraphQL API has a description of its own.
    if is_graphql {
        if !on_purpose {
            let wrong = graphql::check(&sent, &received);
            inner.wrong.lock().unwrap().extend(wrong);
        }
    } else {
        let exchange = Exchange {
            method: parts.method.as_str(),
            path,
            query: parts.uri.query().unwrap_or_default(),
            sent: &sent,
            status: status.as_u16(),
            received: &received,
        };
        let mut wrong = GITHUB.check_answer(&exchange);
        if !on_purpose {
            wrong.extend(GITHUB.check_request(&exchange));
        }
        inner.wrong.lock().unwrap().extend(wrong);
        *inner.checked.lock().unwrap() += 1;
    }

    let mut response = Response::new(Body::from(received));
    *response.status_mut() = status;
    for (name, value) in &headers {
        if ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
