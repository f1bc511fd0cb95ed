//! What the reference registry lacks: the referrers API, in front of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::registry::digest_of;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Hands requests on, and keeps the lists of artifacts.
pub(crate) struct Front {
    host: String,
    task: JoinHandle<()>,
}

struct Shared {
    behind: String,
    http: reqwest::Client,
    lists: Mutex<BTreeMap<String, Vec<Value>>>,
}

impl Front {
    pub(crate) async fn start(behind: String) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shared = Shared {
            behind,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            lists: Mutex::default(),
        };
        let app = Router::new().fallback(answer).with_state(Arc::new(shared));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { host, task }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    if let Some((_, subject)) = path.split_once("/referrers/") {
        let entries = shared.lists.lock().unwrap().get(subject).cloned();
        let index = json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": entries.unwrap_or_default(),
        });
        return ([(header::CONTENT_TYPE, INDEX)], index.to_string()).into_response();
    }
    let body = to_bytes(body, 16 * 1024 * 1024).await.unwrap();
    let written = match head.method == Method::PUT && path.contains("/manifests/") {
        true => serde_json::from_slice::<Value>(&body).ok(),
        false => None,
    };
    let digest = digest_of(&body);
    let size = body.len();
    let url = format!("http://{}{}", shared.behind, head.uri);
    // With the header `Host` as it came: the registry makes addresses of it.
    let request = shared.http.request(head.method, url).headers(head.headers);
    let behind = request.body(body).send().await.unwrap();
    let mut response = Response::builder().status(behind.status());
    let subject = written
        .as_ref()
        .and_then(|it| it["subject"]["digest"].as_str());
    if let (Some(manifest), Some(subject), true) = (&written, subject, behind.status().is_success())
    {
        let entry = json!({
            "mediaType": manifest["mediaType"], "digest": digest.as_str(), "size": size,
            "artifactType": manifest["artifactType"], "annotations": manifest["annotations"],
        });
        let mut lists = shared.lists.lock().unwrap();
        let list = lists.entry(subject.to_owned()).or_default();
        if !list.contains(&entry) {
            list.push(entry);
        }
        response = response.header("oci-subject", HeaderValue::from_str(subject).unwrap());
    }
    for (name, value) in behind.headers() {
        if name != header::TRANSFER_ENCODING {
            response = response.header(name, value);
        }
    }
    let content = behind.bytes().await.unwrap();
    response.body(Body::from(content)).unwrap()
}
