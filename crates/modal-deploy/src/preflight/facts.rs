use std::collections::{BTreeMap, BTreeSet};

use oci::OciError;
use registry_model::{Environment, PinnedImage, Platform, ProcessorRef, SecretNames};

use crate::client::{EnvironmentInfo, StoredSecret, TokenInfo};
use crate::deploy::{AppFile, DeployOptions};
use crate::error::chain;
use crate::secrets::SecretSource;
use crate::{ModalError, Processor};

/// What should be deployed, and how.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it should go.
    pub environment: Environment,
    /// All environments that pins are carried through.
    pub environments: Vec<Environment>,
    /// The processors to deploy.
    pub processors: Vec<Processor>,
    /// All processors of the repository, whose app names must differ.
    pub all: Vec<ProcessorRef>,
    /// The secrets that belong to the environment and to no processor.
    pub shared: SecretNames,
    /// Where values of secrets come from.
    pub values: SecretSource,
    /// How to deploy.
    pub deploy: DeployOptions,
    /// Whether to make the environment when it does not exist.
    pub create_environment: bool,
}

impl Wanted {
    /// The declared secrets, and who requires each: nobody in particular (an empty list) when the
    /// environment does, `None` when nobody does.
    pub(super) fn secrets(&self) -> BTreeMap<&str, Option<Vec<ProcessorRef>>> {
        let mut all: BTreeMap<&str, Option<Vec<ProcessorRef>>> = BTreeMap::new();
        let by_processor = self
            .processors
            .iter()
            .map(|one| (&one.secrets, Some(&one.reference)));
        for (names, by) in by_processor.chain([(&self.shared, None)]) {
            for name in &names.optional {
                all.entry(name).or_default();
            }
            for name in &names.required {
                let required_by = all.entry(name).or_default();
                required_by.get_or_insert_default().extend(by.cloned());
            }
        }
        all
    }

    /// The images to deploy, each once.
    pub(super) fn images(&self) -> BTreeSet<&PinnedImage> {
        let images = self.processors.iter().filter_map(Processor::pinned);
        images.collect()
    }
}

/// What there is. Holds no values of secrets.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Seconds since 1970.
    pub now: i64,
    /// Whose token it is; none where nobody tells.
    pub token: Result<Option<TokenInfo>, Trouble>,
    /// The environments of the workspace.
    pub environments: Result<Vec<EnvironmentInfo>, Trouble>,
    /// Whether the environment was made by this preflight.
    pub created: Result<bool, Trouble>,
    /// The secrets of the environment.
    pub stored: Result<Vec<StoredSecret>, Trouble>,
    /// The version of Modal's command line.
    pub client: Result<String, Trouble>,
    /// The file of the app.
    pub app_file: Result<AppFile, Trouble>,
    /// The value of each declared secret.
    pub values: BTreeMap<String, AtHand>,
    /// Whether images were asked for with the registry secret, as Modal does.
    pub as_modal: bool,
    /// What each image is for.
    pub images: BTreeMap<PinnedImage, Result<Vec<Platform>, Trouble>>,
}

/// The value of a secret, where values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtHand {
    /// There is one.
    Value {
        /// The keys that would be written.
        keys: BTreeSet<String>,
        /// What looks wrong with it.
        warnings: Vec<String>,
    },
    /// There is none.
    Missing {
        /// The names under which it was looked for, the strongest first.
        looked_for: Vec<String>,
    },
    /// Modal takes no such name or value.
    Unusable {
        /// What is wrong.
        problem: String,
    },
}

/// Why something is not known or not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What happened, as a sentence.
    pub text: String,
    /// What to do about it.
    pub cure: Option<String>,
}

impl Trouble {
    /// The same about an image that was asked for with the login in this secret.
    pub(crate) fn asked_with(mut self, secret: Option<&str>) -> Self {
        if let Some(secret) = secret {
            self.text
                .push_str(&format!(" (asked with {secret}, as Modal does)"));
            self.cure = self.cure.map(|cure| {
                format!("see that {secret} is valid and may read the image; else {cure}")
            });
        }
        self
    }
}

impl From<&ModalError> for Trouble {
    fn from(error: &ModalError) -> Self {
        Self {
            text: format!("failed to {}", chain(error)),
            cure: error.hint(),
        }
    }
}

impl From<&OciError> for Trouble {
    fn from(error: &OciError) -> Self {
        Self {
            text: format!("failed to {}", chain(error)),
            cure: error.hint(),
        }
    }
}
