use std::io::ErrorKind;
use std::time::Duration;

use bollard::Docker;
use process::{Command, ProcessError};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::FactoryError;

const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// BuildKit came to the engine with API 1.39 (Docker 18.09).
const API_BUILDKIT: (u32, u32) = (1, 39);
/// BuildKit 0.10 with named contexts came with Docker 23.0.
const ENGINE_CONTEXTS: (u32, u32) = (23, 0);
/// `--progress=rawjson`, and what `bake` writes as metadata, came with buildx 0.13.
const BUILDX: (u32, u32) = (0, 13);

/// The engine that builds, as found before anything is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Engine {
    /// The version of the Docker engine.
    pub version: String,
    /// The version of its API.
    pub api_version: String,
    /// The version of buildx.
    pub buildx: String,
}

impl Engine {
    /// Whether base images can be replaced.
    ///
    /// # Errors
    /// When the engine is too old.
    pub fn check_base_images(&self) -> Result<(), FactoryError> {
        match number(&self.version) {
            Some(version) if version < ENGINE_CONTEXTS => {
                Err(FactoryError::EngineWithoutContexts {
                    found: self.version.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Asks the engine (at `DOCKER_HOST`, or its usual socket) and buildx whether they can build.
///
/// # Errors
/// One for each thing that can be missing; [`FactoryError::hint`] says how to get it.
pub async fn preflight(cancel: &CancellationToken) -> Result<Engine, FactoryError> {
    let interrupted = FactoryError::Cancelled {
        operation: "check the Docker engine",
    };
    let address = engine_address();
    let (engine, buildx) = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(interrupted),
        both = async { tokio::join!(ask_engine(&address), ask_buildx(cancel)) } => both,
    };
    // Without an engine, a missing buildx is the smaller news.
    let (version, api_version) = engine?;
    let buildx = buildx?;
    tracing::debug!(%version, %api_version, %buildx, "engine found");
    Ok(Engine {
        version,
        api_version,
        buildx,
    })
}

/// Where the engine is, as for the `docker` command line without contexts.
fn engine_address() -> String {
    std::env::var("DOCKER_HOST")
        .ok()
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned())
}

async fn ask_engine(address: &str) -> Result<(String, String), FactoryError> {
    let docker = Docker::connect_with_host(address)
        .map_err(|error| engine_error(address, error))?
        .with_timeout(ANSWER_WITHIN);
    let version = docker
        .version()
        .await
        .map_err(|error| engine_error(address, error))?;
    let api = version.api_version.unwrap_or_default();
    let version = version.version.unwrap_or_default();
    if number(&api).is_some_and(|api| api < API_BUILDKIT) {
        return Err(FactoryError::EngineWithoutBuildKit { found: version });
    }
    Ok((version, api))
}

fn engine_error(address: &str, error: bollard::errors::Error) -> FactoryError {
    use bollard::errors::Error;
    let no_engine = |problem| FactoryError::NoEngine {
        address: address.to_owned(),
        problem,
    };
    match error {
        Error::SocketNotFoundError(_) => no_engine("no such socket"),
        Error::RequestTimeoutError => no_engine("no answer in 20 s"),
        error => match io_kind(&error) {
            Some(ErrorKind::PermissionDenied) => FactoryError::EngineDenied {
                address: address.to_owned(),
            },
            Some(ErrorKind::NotFound) => no_engine("no such socket"),
            Some(ErrorKind::ConnectionRefused) => no_engine("nothing answers"),
            _ => FactoryError::Engine {
                address: address.to_owned(),
                source: error,
            },
        },
    }
}

/// What the operating system said, somewhere below the HTTP client's own errors.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    // Its own Display and source are those of what it holds.
    if let Some(bollard::errors::Error::IOError { err }) = error.downcast_ref() {
        return Some(err.kind());
    }
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

async fn ask_buildx(cancel: &CancellationToken) -> Result<String, FactoryError> {
    let asked = Command::new("docker")
        .args(["buildx", "version"])
        .timeout(ANSWER_WITHIN)
        .run(cancel)
        .await;
    match asked {
        Ok(output) => buildx_version(&output.stdout_text()),
        Err(ProcessError::NotFound { .. }) => Err(FactoryError::NoDockerCli),
        // Without the plugin `docker` knows no such command.
        Err(ProcessError::Failed { .. }) => Err(FactoryError::NoBuildx),
        Err(error) => Err(FactoryError::Buildx(error)),
    }
}

/// The version in `github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3`, if it is new enough.
fn buildx_version(text: &str) -> Result<String, FactoryError> {
    let found = text.split_whitespace().nth(1).unwrap_or_default();
    let found = found.strip_prefix('v').unwrap_or(found).to_owned();
    match number(&found) {
        Some(version) if version < BUILDX => Err(FactoryError::BuildxTooOld { found }),
        // A version without number is somebody's own build: they know best.
        _ => Ok(found),
    }
}

fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_of_buildx_in_its_spellings() {
        for (text, version) in [
            (
                "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n",
                "0.13.1+ds1",
            ),
            ("github.com/docker/buildx v0.17.1 257815a", "0.17.1"),
            ("github.com/docker/buildx v1.0.0 257815a", "1.0.0"),
            ("github.com/docker/buildx 6c4c9a2 6c4c9a2", "6c4c9a2"),
        ] {
            assert_eq!(buildx_version(text).unwrap(), version);
        }
        let error = buildx_version("github.com/docker/buildx v0.12.9 abc").unwrap_err();
        assert_eq!(
            error.to_string(),
            "build with buildx 0.12.9: needed is 0.13 or newer"
        );
    }

    #[test]
    fn replaced_base_images_need_a_newer_engine() {
        let engine = |version: &str| Engine {
            version: version.to_owned(),
            api_version: "1.41".to_owned(),
            buildx: "0.13.1".to_owned(),
        };
        assert!(engine("20.10.24+dfsg1").check_base_images().is_err());
        assert!(engine("23.0.0").check_base_images().is_ok());
        assert!(engine("26.1.5+dfsg1").check_base_images().is_ok());
    }

    #[tokio::test]
    async fn tells_the_ways_an_engine_can_be_missing_apart() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none.sock");
        let stale = folder.path().join("stale.sock");
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        for (socket, problem) in [(none, "no such socket"), (stale, "nothing answers")] {
            let address = format!("unix://{}", socket.display());
            let error = ask_engine(&address).await.unwrap_err();
            let expected = format!("reach the Docker engine at {address}: {problem}");
            assert_eq!(error.to_string(), expected);
            assert!(error.hint().is_some());
        }
        let error = ask_engine("tcp://127.0.0.1:1")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("127.0.0.1:1: nothing answers"), "{error}");

        let denied = std::io::Error::from(ErrorKind::PermissionDenied);
        let error = engine_error("unix:///x.sock", denied.into());
        assert!(matches!(error, FactoryError::EngineDenied { .. }));
    }
}
