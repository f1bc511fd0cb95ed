use std::path::PathBuf;

use oci::OciError;
use process::ProcessError;
use registry_model::{Digest, ImageError, PinnedImage, Platform, Repository};

use crate::build::BuildFailure;

/// Which part of the work an error belongs to; the command line has an exit code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The input is wrong, or a tool that is needed is missing or too old.
    Input,
    /// Asking the registry, building or pushing failed.
    Build,
    /// Writing the pins or proposing them failed.
    Pin,
    /// The caller cancelled.
    Cancelled,
}

/// Why images could not be planned, built or pinned. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FactoryError {
    /// A registry file names a Dockerfile that is not there.
    #[error("find Dockerfile `{}`, named by {}: no such file", .dockerfile.display(), .file.display())]
    NoDockerfile {
        /// The registry file.
        file: PathBuf,
        /// The Dockerfile.
        dockerfile: PathBuf,
    },
    /// A registry file names a build context that is not there.
    #[error("find build context `{}`, named by {}: no such folder", .context.display(), .file.display())]
    NoContext {
        /// The registry file.
        file: PathBuf,
        /// The folder.
        context: PathBuf,
    },
    /// It is not known where the images of an entry are pushed to.
    #[error("find a repository for the images of {}: it names none, and there is no image prefix", .file.display())]
    NoRepository {
        /// The registry file.
        file: PathBuf,
    },
    /// The repository that follows from an entry and the options cannot exist.
    #[error("name the repository for the images of {}", .file.display())]
    BadRepository {
        /// The registry file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ImageError,
    },
    /// An entry has pins per platform, and none for a platform that is built.
    #[error("plan {}: it has no pin for {}", .file.display(), list(.platforms))]
    NoPinPlace {
        /// The registry file.
        file: PathBuf,
        /// What is built.
        platforms: Vec<Platform>,
    },
    /// A rule of a `.dockerignore` file cannot be understood.
    #[error("read {}:{line}: {problem}", .file.display())]
    IgnoreRule {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A file or folder cannot be read.
    #[error("read `{}`", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("write `{}`", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of this crate's own making cannot be understood.
    #[error("read `{}` as a {what}", .path.display())]
    BadJson {
        /// The file.
        path: PathBuf,
        /// `build plan`, `build report`.
        what: &'static str,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The file is of a version that this program does not know.
    #[error("read `{}` as a {what}: it has schema {found}, known is 1", .path.display())]
    UnknownSchema {
        /// The file.
        path: PathBuf,
        /// `build plan`, `build report`.
        what: &'static str,
        /// The version it has.
        found: u32,
    },

    /// There is no Docker engine at the address.
    #[error("reach the Docker engine at {address}: {problem}")]
    NoEngine {
        /// The socket or host.
        address: String,
        /// `no such socket`, `nothing answers`.
        problem: &'static str,
    },
    /// The engine's socket may not be used by this user.
    #[error("reach the Docker engine at {address}: permission denied")]
    EngineDenied {
        /// The socket.
        address: String,
    },
    /// The engine cannot be talked to for another reason.
    #[error("reach the Docker engine at {address}")]
    Engine {
        /// The socket or host.
        address: String,
        /// What went wrong.
        #[source]
        source: bollard::errors::Error,
    },
    /// The engine is too old to hold BuildKit.
    #[error("build with Docker engine {found}: it has no BuildKit")]
    EngineWithoutBuildKit {
        /// Its version.
        found: String,
    },
    /// The engine cannot replace a base image.
    #[error("replace base images with Docker engine {found}: its BuildKit has no named contexts")]
    EngineWithoutContexts {
        /// Its version.
        found: String,
    },
    /// The program `docker` is missing.
    #[error("find the program `docker`: not on PATH")]
    NoDockerCli,
    /// `docker` has no `buildx`.
    #[error("find docker buildx: `docker` does not know it")]
    NoBuildx,
    /// `buildx` is too old.
    #[error("build with buildx {found}: needed is 0.13 or newer")]
    BuildxTooOld {
        /// Its version.
        found: String,
    },

    /// The registry could not be asked or refused.
    #[error(transparent)]
    Registry(#[from] OciError),
    /// One or more images could not be built or pushed; the others were.
    #[error(transparent)]
    BuildFailed(Box<BuildFailure>),
    /// `docker buildx` could not be run, or ended in a way that says nothing of an image.
    #[error(transparent)]
    Buildx(ProcessError),
    /// The builder did not say what it built.
    #[error("read the digest of `{item}` from the metadata of the build: {problem}")]
    Metadata {
        /// The processor.
        item: String,
        /// What is missing or wrong.
        problem: String,
    },
    /// The registry does not have what the builder says it pushed, or what a tag stands for.
    #[error("confirm `{image}`: the registry does not have it")]
    NotInRegistry {
        /// The image.
        image: PinnedImage,
    },
    /// Somebody else built the same inputs meanwhile, with other bits.
    #[error(
        "record `{repository}@{ours}` as `{tag}`: that tag stands for {theirs} since a moment ago"
    )]
    BuiltMeanwhile {
        /// Where.
        repository: Repository,
        /// `inputs-…`.
        tag: String,
        /// What was built here.
        ours: Digest,
        /// What the tag stands for.
        theirs: Digest,
    },

    /// A report speaks of a place that the registry files do not have.
    #[error("pin {item}: {problem}")]
    PinPlace {
        /// The processor.
        item: String,
        /// What is wrong.
        problem: String,
    },
    /// Some files could not be pinned and were left as they are; the others were written.
    #[error("pin {} of {total} files{}", .failures.len(), each(.failures))]
    PartlyPinned {
        /// The files, and what is wrong with each.
        failures: Vec<(PathBuf, String)>,
        /// How many were to be written.
        total: usize,
    },
    /// The pull request could not be made.
    #[error(transparent)]
    Forge(#[from] github::GithubError),

    /// The caller cancelled.
    #[error("{operation}: interrupted")]
    Cancelled {
        /// What was going on.
        operation: &'static str,
    },
}

impl FactoryError {
    /// Which part of the work failed.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        if self.is_cancelled() {
            return ErrorClass::Cancelled;
        }
        match self {
            Self::NoDockerfile { .. }
            | Self::NoContext { .. }
            | Self::NoRepository { .. }
            | Self::BadRepository { .. }
            | Self::NoPinPlace { .. }
            | Self::IgnoreRule { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::BadJson { .. }
            | Self::UnknownSchema { .. }
            | Self::NoEngine { .. }
            | Self::EngineDenied { .. }
            | Self::Engine { .. }
            | Self::EngineWithoutBuildKit { .. }
            | Self::EngineWithoutContexts { .. }
            | Self::NoDockerCli
            | Self::NoBuildx
            | Self::BuildxTooOld { .. } => ErrorClass::Input,
            Self::Registry(_)
            | Self::BuildFailed(_)
            | Self::Buildx(_)
            | Self::Metadata { .. }
            | Self::NotInRegistry { .. }
            | Self::BuiltMeanwhile { .. } => ErrorClass::Build,
            Self::PinPlace { .. } | Self::PartlyPinned { .. } | Self::Forge(_) => ErrorClass::Pin,
            Self::Cancelled { .. } => ErrorClass::Cancelled,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled { .. } => true,
            Self::Buildx(error) => error.is_cancelled(),
            Self::Forge(error) => error.is_cancelled(),
            _ => false,
        }
    }

    /// What to do about it: a command or a setting.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoDockerfile { file, .. } => {
                format!("create it, or set `build.dockerfile` in {}", file.display())
            }
            Self::NoContext { file, .. } => {
                format!("create it, or set `build.context` in {}", file.display())
            }
            Self::NoRepository { .. } => {
                "set the image prefix, as in `ghcr.io/<owner>/<repository>`".to_owned()
            }
            Self::NoPinPlace { file, platforms } => format!(
                "build for another platform, or add `image.platforms.{}` to {}",
                platforms.first().map_or("amd64", Platform::arch),
                file.display()
            ),
            Self::NoEngine { .. } => {
                "start Docker (`systemctl start docker`), or set DOCKER_HOST to an engine that runs"
                    .to_owned()
            }
            Self::EngineDenied { .. } => {
                "add yourself to the group (`usermod -aG docker $USER`, then log in again), or \
                 set DOCKER_HOST to an engine of your own"
                    .to_owned()
            }
            Self::Engine { .. } => "check DOCKER_HOST and `docker version`".to_owned(),
            Self::EngineWithoutBuildKit { .. } => "install Docker 18.09 or newer".to_owned(),
            Self::EngineWithoutContexts { .. } => {
                "install Docker 23 or newer, or remove `base-images` from the settings".to_owned()
            }
            Self::NoDockerCli => {
                "install the Docker command line: https://docs.docker.com/engine/install/"
                    .to_owned()
            }
            Self::NoBuildx | Self::BuildxTooOld { .. } => {
                "install buildx 0.13 or newer (package docker-buildx-plugin, or \
                 https://github.com/docker/buildx/releases into ~/.docker/cli-plugins)"
                    .to_owned()
            }
            Self::BuiltMeanwhile { .. } => {
                "run it again: what the other run built is then reused".to_owned()
            }
            Self::NotInRegistry { image } => format!(
                "check that nobody cleaned up `{}`, then run it again with `--rebuild`",
                image.repository
            ),
            Self::Registry(error) => return error.hint(),
            Self::BuildFailed(failure) => return failure.hint(),
            Self::Forge(error) => return error.hint(),
            _ => return None,
        };
        Some(text)
    }
}

fn list(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn each(failures: &[(PathBuf, String)]) -> String {
    failures
        .iter()
        .map(|(file, problem)| format!("\n  {}: {problem}", file.display()))
        .collect()
}
