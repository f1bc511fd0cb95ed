use std::path::PathBuf;

use acceptance::AcceptanceError;
use github::GithubError;
use image_factory::FactoryError;
use process::ProcessError;
use promotion::PromotionError;
use registry_model::{Environment, Findings};

use crate::github::EmbeddedGithubError;
use crate::modal;
use crate::registry::RegistryError;

/// Why a rehearsal ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RehearseError {
    /// A file cannot be copied.
    #[error("copy `{path}` for the rehearsal")]
    Files {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// There is nothing to rehearse.
    #[error("rehearse `{repo}`: it has no files, or git ignores all of them")]
    Empty {
        /// The folder.
        repo: PathBuf,
    },
    /// git failed on the scratch copy.
    #[error("copy the repository with git")]
    Git(#[source] ProcessError),
    /// The registry files are wrong.
    #[error(transparent)]
    RegistryFiles(#[from] Findings),
    /// The embedded registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The embedded GitHub.
    #[error(transparent)]
    EmbeddedGithub(#[from] EmbeddedGithubError),
    /// The embedded Modal.
    #[error(transparent)]
    EmbeddedModal(#[from] modal::ModalError),
    /// Plan, build or pin.
    #[error(transparent)]
    Factory(Box<FactoryError>),
    /// Calls to the GitHub API.
    #[error(transparent)]
    Github(#[from] GithubError),
    /// Calls to the registry.
    #[error(transparent)]
    Oci(#[from] oci::OciError),
    /// The acceptance stage could not run, or the suite did not pass.
    #[error(transparent)]
    Acceptance(Box<AcceptanceError>),
    /// The deploy could not start.
    #[error(transparent)]
    Modal(#[from] modal_deploy::ModalError),
    /// Apps that are not live.
    #[error("deploy to {environment}: {}", .failures.join("; "))]
    NotDeployed {
        /// Where.
        environment: Environment,
        /// One an app.
        failures: Vec<String>,
        /// The first cure that is known.
        hint: Option<String>,
    },
    /// Apps that answer with an error.
    #[error("smoke-test {environment}: {}", .failures.join("; "))]
    NotSmoked {
        /// Where.
        environment: Environment,
        /// One an app.
        failures: Vec<String>,
    },
    /// The promotion.
    #[error(transparent)]
    Promotion(#[from] PromotionError),
    /// The key of the rehearsal.
    #[error(transparent)]
    Key(#[from] receipts::keys::KeyError),
    /// Receipts could not be stored or read.
    #[error(transparent)]
    Receipts(#[from] receipts::ReceiptsError),
    /// A base image of the engine cannot be brought to the registry.
    #[error("push base image `{image}` to the registry of the rehearsal")]
    Base {
        /// Its name.
        image: String,
        /// Why.
        #[source]
        source: ProcessError,
    },
    /// The second run was not a run of nothing.
    #[error("do nothing the second time: {detail}")]
    Loop {
        /// What it did.
        detail: String,
    },
    /// Git, the registry and the environments do not name one digest.
    #[error("prove one digest everywhere: {}", .rows.join("; "))]
    NotProven {
        /// One a difference.
        rows: Vec<String>,
    },
    /// There is no processor to take through the stages.
    #[error("rehearse `{repo}`: none of its processors is enabled")]
    NothingEnabled {
        /// The repository.
        repo: PathBuf,
    },
    /// A setting cannot be used.
    #[error("use {what}: {problem}")]
    Setting {
        /// What.
        what: &'static str,
        /// Why not.
        problem: String,
    },
    /// The caller cancelled.
    #[error("rehearse: interrupted")]
    Cancelled,
}

impl From<FactoryError> for RehearseError {
    fn from(error: FactoryError) -> Self {
        Self::Factory(Box::new(error))
    }
}

impl From<AcceptanceError> for RehearseError {
    fn from(error: AcceptanceError) -> Self {
        Self::Acceptance(Box::new(error))
    }
}

impl RehearseError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Git(ProcessError::NotFound { .. }) => Some("install git".to_owned()),
            Self::RegistryFiles(error) => error.hint(),
            Self::Registry(error) => error.hint(),
            Self::EmbeddedGithub(error) => error.hint(),
            Self::EmbeddedModal(error) => error.hint(),
            Self::Factory(error) => error.hint(),
            Self::Github(error) => error.hint(),
            Self::Oci(error) => error.hint(),
            Self::Acceptance(error) => error.hint(),
            Self::Modal(error) => error.hint(),
            Self::Promotion(error) => error.hint(),
            Self::Receipts(error) => error.hint(),
            Self::NotDeployed { hint, .. } => hint.clone(),
            Self::NothingEnabled { .. } => {
                Some("take `enabled: false` out of a registry file".to_owned())
            }
            Self::Loop { .. } => Some(
                "an image must not follow from its own pin: keep the registry files out of the \
                 build context with .dockerignore, or report a bug"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled => true,
            Self::Git(error) | Self::Base { source: error, .. } => error.is_cancelled(),
            Self::Registry(error) => error.is_cancelled(),
            Self::EmbeddedGithub(error) => error.is_cancelled(),
            Self::EmbeddedModal(error) => error.is_cancelled(),
            Self::Factory(error) => error.is_cancelled(),
            Self::Github(error) => error.is_cancelled(),
            Self::Acceptance(error) => error.is_cancelled(),
            Self::Modal(error) => error.is_cancelled(),
            Self::Promotion(error) => error.is_cancelled(),
            Self::Receipts(error) => error.is_cancelled(),
            _ => false,
        }
    }
}
