use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::app_file::AppFile;
use super::cli::{Invocation, ModalCli};
use super::plan::{DeployPlan, PlannedApp};
use crate::report::{Deployed, seconds};
use crate::secrets::SecretPlan;
use crate::{Client, ModalError};

/// How to deploy.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// The root of the repository; `modal deploy` runs there.
    pub repository: PathBuf,
    /// The Python file of the app, as a path relative to the root or as a dotted module; default
    /// `code/modal_app.py`.
    pub app_file: String,
    /// The program `modal`; `None`: see [`ModalCli::locate`].
    pub modal: Option<PathBuf>,
    /// How many deploys run side by side; default: the number of cores.
    pub at_once: NonZeroUsize,
    /// How long one deploy may take, image build included; default 20 minutes.
    pub timeout: Duration,
}

impl DeployOptions {
    /// The defaults for this repository.
    pub fn new(repository: impl Into<PathBuf>) -> Self {
        Self {
            repository: repository.into(),
            app_file: "code/modal_app.py".to_owned(),
            modal: None,
            at_once: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            timeout: Duration::from_secs(20 * 60),
        }
    }
}

/// How the deploy of one app ended.
#[derive(Debug)]
pub struct Live {
    /// The version that is live now; `None` where Modal does not tell.
    pub version: Option<u32>,
    /// What changed.
    pub deployed: Deployed,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why it failed, if it did.
    pub error: Option<ModalError>,
}

/// The Modal command line and the app, found and checked before anything is changed.
#[derive(Clone, Debug)]
pub struct Deployer {
    cli: ModalCli,
    file: AppFile,
    options: DeployOptions,
}

impl Deployer {
    /// Finds the Modal command line and the app, and checks the version of the former.
    ///
    /// # Errors
    /// [`ModalError::AppFile`], [`ModalError::CliMissing`], [`ModalError::CliVersion`].
    pub async fn prepare(
        options: &DeployOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, ModalError> {
        let file = AppFile::find(&options.repository, &options.app_file)?;
        let cli = match &options.modal {
            Some(program) => ModalCli::at(program)?,
            None => ModalCli::locate()?,
        };
        let version = cli.version(cancel).await?;
        tracing::debug!("Modal client {version}");
        Ok(Self {
            cli,
            file,
            options: options.clone(),
        })
    }

    /// Deploys all apps of `plan`; the answers are in its order. One that fails does not stop the
    /// others.
    pub async fn run(
        &self,
        client: &Client,
        plan: &DeployPlan,
        secrets: &SecretPlan,
        cancel: &CancellationToken,
    ) -> Vec<Live> {
        let mut lives: Vec<(usize, Live)> = stream::iter(plan.apps.iter().enumerate())
            .map(|(index, app)| async move {
                let started = Instant::now();
                let done = self.one(client, app, secrets, cancel).await;
                let (version, deployed, error) = match done {
                    Ok((version, deployed)) => (version, deployed, None),
                    Err(error) => (None, Deployed::Failed, Some(error)),
                };
                let live = Live {
                    version,
                    deployed,
                    seconds: seconds(started.elapsed()),
                    error,
                };
                announce(app, &live);
                (index, live)
            })
            .buffer_unordered(self.options.at_once.get())
            .collect()
            .await;
        lives.sort_by_key(|(index, _)| *index);
        lives.into_iter().map(|(_, live)| live).collect()
    }

    async fn one(
        &self,
        client: &Client,
        app: &PlannedApp,
        secrets: &SecretPlan,
        cancel: &CancellationToken,
    ) -> Result<(Option<u32>, Deployed), ModalError> {
        let environment = &secrets.environment;
        tracing::info!(target: "pipeline::progress", stage = "deploy", item = %app.app,
            "deploying {} to {environment}", app.image.digest.short());
        let live = async || {
            cancel
                .run_until_cancelled(client.app(environment, &app.app))
                .await
                .unwrap_or_else(|| {
                    Err(ModalError::Cancelled {
                        what: format!("deploy `{}` to `{environment}`", app.app),
                    })
                })
        };
        let before = live().await?;
        let command = Invocation {
            root: &self.options.repository,
            file: &self.file,
            timeout: self.options.timeout,
        };
        self.cli
            .deploy(&command, app, secrets, client.options(), cancel)
            .await?;
        let after = live().await?.ok_or_else(|| ModalError::NotLive {
            app: app.app.clone(),
            environment: environment.clone(),
        })?;
        let same = before.is_some_and(|before| {
            before.app_id == after.app_id
                && before.version.is_some()
                && before.version == after.version
        });
        let deployed = if same {
            Deployed::Unchanged
        } else {
            Deployed::Deployed
        };
        Ok((after.version, deployed))
    }
}

fn announce(app: &PlannedApp, live: &Live) {
    let version = live
        .version
        .map_or(String::new(), |version| format!(", version {version}"));
    let text = match (&live.error, live.deployed) {
        (Some(error), _) if error.is_cancelled() => "interrupted".to_owned(),
        (Some(_), _) | (None, Deployed::Failed) => format!("failed after {:.1} s", live.seconds),
        (None, Deployed::Unchanged) => format!("live already{version}"),
        (None, Deployed::Deployed) => format!("deployed in {:.1} s{version}", live.seconds),
    };
    tracing::info!(target: "pipeline::progress", stage = "deploy", item = %app.app, "{text}");
}
