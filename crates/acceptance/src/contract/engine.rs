//! The Docker engine that the images run on.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder};
use futures_util::future::join_all;
use process::Command;
use tokio_util::sync::CancellationToken;

use crate::AcceptanceError;

/// For questions that it answers at once; runs have limits of their own.
const PATIENCE: Duration = Duration::from_secs(120);

/// The engine that `docker` on this machine speaks to.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) docker: Docker,
    /// Its cores: it refuses to promise more.
    pub(super) cores: f64,
    /// `amd64`, as images have it.
    pub(super) arch: String,
}

impl Engine {
    pub(super) async fn connect(cancel: &CancellationToken) -> Result<Self, AcceptanceError> {
        let address = address(cancel).await?;
        let docker =
            Docker::connect_with_host(&address).map_err(|error| failed("answer", error))?;
        let docker = docker
            .with_timeout(PATIENCE)
            .negotiate_version()
            .await
            .map_err(|error| failed("answer", error))?;
        let info = docker
            .info()
            .await
            .map_err(|error| failed("describe itself", error))?;
        let arch = match info.architecture.unwrap_or_default().as_str() {
            "x86_64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            other => other.to_owned(),
        };
        Ok(Self {
            docker,
            cores: info.ncpu.map_or(1.0, |cores| cores.max(1) as f64),
            arch,
        })
    }

    /// Removes what may be there; what is left is found by the label of the stack.
    pub(super) async fn remove(&self, containers: &[String], volumes: &[String]) {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let gone = containers.iter().map(|name| async {
            let gone = self.docker.remove_container(name, Some(options.clone()));
            note(name, gone.await);
        });
        join_all(gone).await;
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        let gone = volumes.iter().map(|name| async {
            let gone = self.docker.remove_volume(name, Some(options.clone()));
            note(name, gone.await);
        });
        join_all(gone).await;
    }
}

fn note(name: &str, gone: Result<(), bollard::errors::Error>) {
    if let Err(error) = gone {
        tracing::debug!(%error, name, "not removed yet");
    }
}

/// Where the engine is that `docker` on this machine speaks to: the program knows contexts and
/// `DOCKER_HOST`, and everything else here goes through it.
pub(crate) async fn address(cancel: &CancellationToken) -> Result<String, AcceptanceError> {
    let asked = Command::new("docker")
        .args([
            "context",
            "inspect",
            "--format",
            "{{.Endpoints.docker.Host}}",
        ])
        .timeout(Duration::from_secs(20))
        .run(cancel)
        .await;
    match asked {
        Ok(output) => Ok(output.stdout_text().trim().to_owned()),
        Err(error) if error.is_cancelled() => Err(AcceptanceError::Cancelled),
        Err(source) => Err(AcceptanceError::NoEngine {
            source: Box::new(source),
        }),
    }
}

/// What the engine could not do.
pub(super) fn failed(doing: impl Into<String>, error: bollard::errors::Error) -> AcceptanceError {
    AcceptanceError::Docker {
        doing: doing.into(),
        source: Box::new(error),
    }
}
