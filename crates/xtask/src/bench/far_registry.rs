use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, Method, header};
use axum::response::IntoResponse;
use axum::routing::any;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::say;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// What every tag points to.
const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// A registry that has every image and takes its time for each answer. It ends with this value.
pub(crate) struct FarRegistry {
    host: String,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl FarRegistry {
    /// # Errors
    /// When it cannot listen.
    pub(crate) async fn start(latency: Duration) -> Result<Self, Error> {
        let error = |error| Error::io("serve a registry on 127.0.0.1", error);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.await.map_err(error)?;
        let host = listener.local_addr().map_err(error)?.to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let answer = move |method: Method, Path(path): Path<String>| async move {
            counter.fetch_add(usize::from(method == Method::HEAD), Ordering::Relaxed);
            tokio::time::sleep(latency).await;
            let reference = path.rsplit('/').next().unwrap_or_default();
            let digest = match reference.starts_with("sha256:") {
                true => reference.to_owned(),
                false => DIGEST.to_owned(),
            };
            let name = HeaderName::from_static("docker-content-digest");
            let kind = (header::CONTENT_TYPE, MANIFEST.to_owned());
            ([kind, (name, digest)], "{}").into_response()
        };
        let app = Router::new().route("/v2/{*rest}", any(answer));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                say::line(format_args!("bench: the far registry ended: {error}"));
            }
        });
        Ok(Self { host, asked, task })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// How often it was asked for an image since this was called last.
    pub(crate) fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

impl Drop for FarRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}
