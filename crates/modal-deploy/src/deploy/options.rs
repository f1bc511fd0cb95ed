use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use registry_model::SecretNames;

use super::images::Images;
use crate::gate::Gate;
use crate::smoke::SmokeOptions;

/// How to deploy.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// The root of the repository; `modal deploy` runs there.
    pub repository: PathBuf,
    /// The Python file of the app, as a path relative to the root or as a dotted module; default
    /// `code/modal_app.py`.
    pub app_file: String,
    /// Patterns of the files that a deploy depends on; `None`: see [`super::code_hash`].
    pub code: Option<Vec<String>>,
    /// The commit that is checked out, for the tag of the deployments.
    pub commit: Option<String>,
    /// The name of the secret with which Modal pulls, `REGISTRY_SECRET` for the app file. Where
    /// the environment has no such secret the app file gets an empty name. Default
    /// `REGISTRY_AUTH`.
    pub registry_secret: String,
    /// The program `modal`; `None`: see [`super::ModalCli::locate`].
    pub modal: Option<PathBuf>,
    /// How many deploys run side by side; default: the number of cores.
    pub at_once: NonZeroUsize,
    /// How long one deploy may take, image build included; default 20 minutes.
    pub timeout: Duration,
    /// A folder that gets what each `modal deploy` says, in `<app>.log`.
    pub logs: Option<PathBuf>,
}

impl DeployOptions {
    /// The defaults for this repository.
    pub fn new(repository: impl Into<PathBuf>) -> Self {
        Self {
            repository: repository.into(),
            app_file: "code/modal_app.py".to_owned(),
            code: None,
            commit: None,
            registry_secret: "REGISTRY_AUTH".to_owned(),
            modal: None,
            at_once: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            timeout: Duration::from_secs(20 * 60),
            logs: None,
        }
    }
}

/// How to bring a plan to an environment.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// How to deploy.
    pub deploy: DeployOptions,
    /// How to smoke; `None`: not at all.
    pub smoke: Option<SmokeOptions>,
    /// Whether to make the environment when it does not exist.
    pub create_environment: bool,
    /// Whether the plan has only some of the processors of the environment. A run about others, or
    /// about fewer, then does not end this one.
    pub partial: bool,
    /// Whether to write every secret and deploy every app, whatever is live.
    pub force: bool,
    /// What becomes of an app whose deploy or smoke failed.
    pub on_failure: OnFailure,
    /// All secrets that the repository declares, also for processors that are not in the plan, so
    /// that those which nobody declares can be listed; `None`: they are not.
    pub declared: Option<SecretNames>,
    /// Where images are looked up before anything is changed; `None`: they are not.
    pub registry: Option<Images>,
    /// What images must have proven before anything is changed; `None`: nothing.
    pub gate: Option<Gate>,
    /// The apps or processors whose hold ends.
    pub release: BTreeSet<String>,
    /// Whether a hold at the digest of the plan stays, as a rollback wants it. Otherwise it ends:
    /// the registry files pin by then what is held.
    pub keep_holds: bool,
}

impl RunOptions {
    /// The defaults: smoke, change only what is not as it should be, keep what failed.
    #[must_use]
    pub fn new(deploy: DeployOptions) -> Self {
        Self {
            deploy,
            smoke: Some(SmokeOptions::default()),
            create_environment: false,
            partial: false,
            force: false,
            on_failure: OnFailure::default(),
            declared: None,
            registry: None,
            gate: None,
            release: BTreeSet::new(),
            keep_holds: false,
        }
    }
}

/// What becomes of an app whose deploy or smoke failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It stays as it is, to be looked at.
    #[default]
    Keep,
    /// It goes back to the version before.
    Rollback,
}
