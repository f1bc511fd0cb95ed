use std::net::SocketAddr;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A registry that says of every digest, but that of nothing but zeros, that it has it.
pub(super) struct Images {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Images {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/v2/{*path}", any(answer));
        let server = tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        });
        Self { address, server }
    }

    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(Path(path): Path<String>) -> Response {
    let digest = path.rsplit('/').next().unwrap_or_default().to_owned();
    if digest.ends_with("0000") {
        return StatusCode::NOT_FOUND.into_response();
    }
    let kind = "application/vnd.oci.image.manifest.v1+json".to_owned();
    [("docker-content-digest", digest), ("content-type", kind)].into_response()
}
