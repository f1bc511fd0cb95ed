use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

use bollard::Docker;
use process::{Command, ProcessError};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::address::engine_address;
use super::feature::Feature;
use crate::FactoryError;

const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// BuildKit came to the engine with API 1.39 (Docker 18.09).
const API_BUILDKIT: (u32, u32) = (1, 39);
/// BuildKit 0.10 with named contexts came with Docker 23.0.
const ENGINE_CONTEXTS: (u32, u32) = (23, 0);
/// `--progress=rawjson`, and what `bake` writes as metadata, came with buildx 0.13.
const BUILDX: (u32, u32) = (0, 13);

/// The driver of the builder that is the Docker engine itself.
const DOCKER_DRIVER: &str = "docker";
/// How an engine says that containerd keeps its images.
const CONTAINERD_STORE: [&str; 2] = ["driver-type", "io.containerd.snapshotter.v1"];

/// What builds, as found before anything is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Engine {
    /// The version of the Docker engine; of BuildKit, when no Docker engine takes part.
    pub version: String,
    /// The version of the Docker engine's API.
    pub api_version: Option<String>,
    /// The version of buildx.
    pub buildx: String,
    /// The builder's name.
    pub builder: String,
    /// What the builder is: `docker`, `docker-container`, `kubernetes`, `remote`.
    pub driver: String,
    /// Whether the Docker engine keeps images in containerd's store.
    pub containerd_store: bool,
}

impl Engine {
    /// Whether the Docker engine itself builds.
    #[must_use]
    pub fn is_docker(&self) -> bool {
        self.driver == DOCKER_DRIVER
    }

    /// Whether it can do all that is asked of it.
    ///
    /// # Errors
    /// When it cannot; the first of the features that it lacks is named.
    pub fn check(&self, wanted: &BTreeSet<Feature>) -> Result<(), FactoryError> {
        let lacks = |feature: &&Feature| match feature {
            Feature::NamedContexts => {
                number(&self.version).is_some_and(|version| version < ENGINE_CONTEXTS)
            }
            _ => !self.containerd_store,
        };
        match wanted.iter().find(lacks) {
            Some(feature) if self.is_docker() => Err(FactoryError::EngineLacks {
                feature: *feature,
                engine: self.version.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// Asks buildx, the builder (the current one, or the one named), and the Docker engine (at
/// `DOCKER_HOST`, that of the current context, or its usual socket) whether they can build. Builders of
/// other kinds need no engine.
///
/// # Errors
/// One for each thing that can be missing; [`FactoryError::hint`] says how to get it.
pub async fn preflight(
    builder: Option<&str>,
    cancel: &CancellationToken,
) -> Result<Engine, FactoryError> {
    let interrupted = FactoryError::Cancelled {
        operation: "check the Docker engine",
    };
    let address = engine_address();
    let all = async {
        tokio::join!(
            ask_engine(&address),
            ask_buildx(cancel),
            ask_builder(builder, cancel)
        )
    };
    let (docker, buildx, builder) = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(interrupted),
        all = all => all,
    };
    // buildx does not know the driver of an engine that does not answer.
    let apart = |builder: &Builder| !matches!(builder.driver.as_str(), DOCKER_DRIVER | "");
    let docker = match &builder {
        Ok(builder) if apart(builder) => docker.ok(),
        // Without an engine, a missing buildx or builder is the smaller news.
        _ => Some(docker?),
    };
    let buildx = buildx?;
    let builder = builder?;
    let (version, api_version, containerd_store) = match docker {
        Some(docker) => (
            docker.version,
            Some(docker.api_version),
            docker.containerd_store,
        ),
        None => (builder.buildkit, None, false),
    };
    let engine = Engine {
        version,
        api_version,
        buildx,
        builder: builder.name,
        driver: builder.driver,
        containerd_store,
    };
    tracing::debug!(?engine, "engine found");
    Ok(engine)
}

/// Whether the Docker engine can do all that is asked, and so can any other builder: then it need not
/// be known which one is the current one, which buildx takes its time to say.
pub(super) async fn whoever_builds_can(wanted: &BTreeSet<Feature>) -> bool {
    let by_all = |feature: &Feature| *feature == Feature::NamedContexts;
    wanted.iter().all(by_all)
        && ask_version(&engine_address())
            .await
            .is_ok_and(|found| number(&found.version) >= Some(ENGINE_CONTEXTS))
}

/// What the Docker engine says of itself.
#[derive(Debug)]
struct DockerEngine {
    version: String,
    api_version: String,
    containerd_store: bool,
}

/// An engine that has BuildKit.
struct Versioned {
    docker: Docker,
    version: String,
    api_version: String,
}

async fn ask_version(address: &str) -> Result<Versioned, FactoryError> {
    let docker = Docker::connect_with_host(address)
        .map_err(|error| engine_error(address, error))?
        .with_timeout(ANSWER_WITHIN);
    let version = docker
        .version()
        .await
        .map_err(|error| engine_error(address, error))?;
    let api_version = version.api_version.unwrap_or_default();
    let version = version.version.unwrap_or_default();
    if number(&api_version).is_some_and(|api| api < API_BUILDKIT) {
        return Err(FactoryError::EngineWithoutBuildKit { found: version });
    }
    Ok(Versioned {
        docker,
        version,
        api_version,
    })
}

async fn ask_engine(address: &str) -> Result<DockerEngine, FactoryError> {
    let found = ask_version(address).await?;
    let info = found
        .docker
        .info()
        .await
        .map_err(|error| engine_error(address, error))?;
    let store = info.driver_status.unwrap_or_default();
    Ok(DockerEngine {
        version: found.version,
        api_version: found.api_version,
        containerd_store: store.iter().any(|pair| pair == &CONTAINERD_STORE),
    })
}

/// What buildx says of a builder.
#[derive(Debug, Default, PartialEq, Eq)]
struct Builder {
    name: String,
    driver: String,
    /// The version of its first node.
    buildkit: String,
}

async fn ask_builder(
    name: Option<&str>,
    cancel: &CancellationToken,
) -> Result<Builder, FactoryError> {
    let asked = Command::new("docker")
        .args(["buildx", "inspect"])
        .args(name)
        .timeout(ANSWER_WITHIN)
        .run(cancel)
        .await;
    match (asked, name) {
        (Ok(output), _) => Ok(Builder::read(&output.stdout_text())),
        (Err(error @ ProcessError::Failed { .. }), Some(name))
            if error.stderr().contains("no builder") =>
        {
            Err(FactoryError::NoBuilder {
                name: name.to_owned(),
            })
        }
        (Err(error), _) => Err(FactoryError::Buildx(error)),
    }
}

impl Builder {
    /// Reads `docker buildx inspect`. buildx 0.13 has no other form of it that says which builder
    /// is the current one.
    fn read(text: &str) -> Self {
        let value = |name: &str| {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name));
            value.unwrap_or_default().trim().to_owned()
        };
        Self {
            name: value("Name:"),
            driver: value("Driver:"),
            buildkit: value("BuildKit version:"),
        }
    }
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

/// The version of buildx, if it is new enough.
pub(super) async fn ask_buildx(cancel: &CancellationToken) -> Result<String, FactoryError> {
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

    fn engine(version: &str, driver: &str, containerd_store: bool) -> Engine {
        Engine {
            version: version.to_owned(),
            api_version: Some("1.41".to_owned()),
            buildx: "0.13.1".to_owned(),
            builder: "default".to_owned(),
            driver: driver.to_owned(),
            containerd_store,
        }
    }

    #[test]
    fn base_images_by_digest_need_a_newer_engine() {
        let wanted = BTreeSet::from([Feature::NamedContexts]);
        let check = |version| engine(version, "docker", false).check(&wanted);
        let error = check("20.10.24+dfsg1").unwrap_err();
        insta::assert_snapshot!(
            format!("{error}\nhint: {}", error.hint().unwrap()),
            @r"
        take base images by digest: Docker engine 20.10.24+dfsg1 cannot
        hint: install Docker 23 or newer
        "
        );
        assert!(check("23.0.0").is_ok());
        assert!(check("26.1.5+dfsg1").is_ok());
    }

    #[test]
    fn what_an_engine_lacks_is_named() {
        let wanted = BTreeSet::from([Feature::ReproducibleTimes, Feature::SeveralPlatforms]);
        let error = engine("26.1.5", "docker", false)
            .check(&wanted)
            .unwrap_err();
        insta::assert_snapshot!(
            format!("{error}\nhint: {}", error.hint().unwrap()),
            @r#"
        build one image for several platforms: Docker engine 26.1.5 cannot
        hint: enable the containerd image store of the engine (`{"features": {"containerd-snapshotter": true}}` in /etc/docker/daemon.json, then restart it), or build elsewhere: `docker buildx create --driver docker-container --use` (or `remote`, `kubernetes`)
        "#
        );
        assert!(engine("26.1.5", "docker", true).check(&wanted).is_ok());
        assert!(engine("v0.12.5", "remote", false).check(&wanted).is_ok());
    }

    #[test]
    fn reads_what_buildx_says_of_a_builder() {
        let text = "Name:          far\nDriver:        remote\nLast Activity: 2026-11-23\n\n\
            Nodes:\nName:             far0\nEndpoint:         tcp://far:1234\n\
            Status:           running\nBuildKit version: v0.12.5\n";
        let builder = Builder::read(text);
        assert_eq!(
            [&builder.name[..], &builder.driver, &builder.buildkit],
            ["far", "remote", "v0.12.5"]
        );
        assert_eq!(Builder::read(""), Builder::default());
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
