use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, Method, header};
use axum::response::IntoResponse;
use axum::routing::any;
use serde::Deserialize;
use tokio::task::JoinHandle;

use super::GROUP;
use super::scene::Scene;
use crate::bench::measure::median;
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::rehearse::build;
use crate::say;

const RUNS: usize = 3;
const REFERENCES: usize = 500;
/// What it takes to a registry in the same part of the world.
const LATENCY: Duration = Duration::from_millis(20);
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// Many references at a registry that is far away, at once and one after the other.
///
/// # Errors
/// When the program fails or asks more often than it needs to.
pub(super) async fn row(scene: &Scene, root: &Path) -> Result<Row, Error> {
    say::line("bench: building look_up_many");
    let example = ["--release", "--package", "oci", "--example", "look_up_many"];
    let look_up_many = build(root, &example, &scene.cancel).await?;
    let registry = FarRegistry::start().await?;
    let (mut ours, mut sequential) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        say::line(format_args!("bench: look-ups, run {} of {RUNS}", run + 1));
        let command = scene.program(&look_up_many);
        let command = command.args([&registry.host, "team/image-", &REFERENCES.to_string()]);
        let said = command.run(&scene.cancel).await?.stdout_text();
        let said: Said = serde_json::from_str(&said)
            .map_err(|error| Error::format("what look_up_many prints", error))?;
        // Each reference once at once, and once in its turn.
        let asked = registry.asked.swap(0, Ordering::Relaxed);
        if (said.found, asked) != (REFERENCES, 2 * REFERENCES) {
            let problem = format!("{} found with {asked} requests", said.found);
            return Err(Error::format("what look_up_many did", problem));
        }
        ours.push(said.concurrent_seconds);
        sequential.push(said.sequential_seconds);
    }
    Ok(Row::new(
        GROUP,
        format!(
            "{REFERENCES} references, {} ms to the registry, against one after the other",
            LATENCY.as_millis()
        ),
        "s",
        median(&ours),
        Some(median(&sequential)),
        Target::TimesFaster(20.0),
    ))
}

/// What the program prints.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Said {
    found: usize,
    concurrent_seconds: f64,
    sequential_seconds: f64,
}

/// A registry that has every image and takes [`LATENCY`] for each answer. It ends with this value.
struct FarRegistry {
    host: String,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl FarRegistry {
    async fn start() -> Result<Self, Error> {
        let error = |error| Error::io("serve a registry on 127.0.0.1", error);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.await.map_err(error)?;
        let host = listener.local_addr().map_err(error)?.to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let answer = move |method: Method| async move {
            counter.fetch_add(usize::from(method == Method::HEAD), Ordering::Relaxed);
            tokio::time::sleep(LATENCY).await;
            let digest = HeaderName::from_static("docker-content-digest");
            ([(header::CONTENT_TYPE, MANIFEST), (digest, DIGEST)], "{}").into_response()
        };
        let app = Router::new().route("/v2/{*rest}", any(answer));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                say::line(format_args!("bench: the far registry ended: {error}"));
            }
        });
        Ok(Self { host, asked, task })
    }
}

impl Drop for FarRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}
