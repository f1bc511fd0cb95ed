use registry_model::Environment;
use tokio_util::sync::CancellationToken;

use crate::deploy::{DeployOptions, DeployPlan, Deployer, Live};
use crate::error::chain;
use crate::report::{AppReport, DeployReport, Deployed, SecretsReport, SmokeReport};
use crate::secrets::{self, SecretPlan};
use crate::smoke::{self, SmokeOptions, Target};
use crate::{Client, ModalError};

/// How to bring a plan to an environment.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// How to deploy.
    pub deploy: DeployOptions,
    /// How to smoke; `None`: not at all.
    pub smoke: Option<SmokeOptions>,
    /// Whether to make the environment when it does not exist.
    pub create_environment: bool,
}

/// Brings a plan to its environment: secrets, deploys, smokes, in this order.
///
/// Nothing is written before the app file and the Modal command line are found. Once the secrets
/// are written, what fails is told in the report ([`DeployReport::class`]), and so is a
/// cancellation, because the report says what is live by then.
///
/// # Errors
/// What stops everything before the first deploy.
pub async fn run(
    client: &Client,
    plan: &DeployPlan,
    secrets: &SecretPlan,
    options: &RunOptions,
    cancel: &CancellationToken,
) -> Result<DeployReport, ModalError> {
    let environment = &plan.environment;
    for warning in &secrets.warnings {
        tracing::warn!("{warning}");
    }
    let deployer = Deployer::prepare(&options.deploy, cancel).await?;
    ensure_environment(client, environment, options.create_environment, cancel).await?;
    let synced = secrets::sync(client, secrets, cancel).await?;
    tracing::info!(target: "pipeline::progress", stage = "secrets", item = %environment,
        "{} written", synced.len());

    let lives = deployer.run(client, plan, secrets, cancel).await;
    let mut interrupted = lives
        .iter()
        .any(|live| live.error.as_ref().is_some_and(ModalError::is_cancelled));
    let mut smokes = smokes(client, plan, &lives, secrets, options, cancel)
        .await
        .into_iter();
    let mut redactor = secrets.redactor();
    redactor.add(&client.options().token_secret);
    let mut apps = Vec::new();
    for (app, live) in plan.apps.iter().zip(lives) {
        let smoke = if live.deployed == Deployed::Failed {
            SmokeReport::skipped("it is not deployed")
        } else if options.smoke.is_none() {
            SmokeReport::skipped("not asked for")
        } else {
            match smokes.next() {
                Some(Ok(report)) => report,
                Some(Err(_)) | None => {
                    interrupted = true;
                    SmokeReport::skipped("interrupted")
                }
            }
        };
        let error = live.error.as_ref();
        apps.push(AppReport {
            reference: app.reference.clone(),
            app: app.app.clone(),
            image: app.image.clone(),
            version: live.version,
            deployed: live.deployed,
            seconds: live.seconds,
            smoke,
            error: error.map(|error| redactor.apply(&chain(error))),
            hint: error.and_then(ModalError::hint),
        });
    }
    Ok(DeployReport {
        schema: 1,
        environment: environment.clone(),
        secrets: SecretsReport {
            synced,
            warnings: secrets.warnings.clone(),
        },
        apps,
        interrupted,
    })
}

/// Smokes what is live, in the order of the plan.
async fn smokes(
    client: &Client,
    plan: &DeployPlan,
    lives: &[Live],
    secrets: &SecretPlan,
    options: &RunOptions,
    cancel: &CancellationToken,
) -> Vec<Result<SmokeReport, ModalError>> {
    let Some(smoke) = &options.smoke else {
        return Vec::new();
    };
    let targets: Vec<Target> = plan
        .apps
        .iter()
        .zip(lives)
        .filter(|(_, live)| live.deployed != Deployed::Failed)
        .map(|(app, live)| Target {
            reference: app.reference.clone(),
            app: app.app.clone(),
            image: app.image.clone(),
            version: live.version,
        })
        .collect();
    let mut redactor = secrets.redactor();
    redactor.add(&client.options().token_secret);
    smoke::run(
        client,
        &plan.environment,
        &targets,
        smoke,
        &redactor,
        cancel,
    )
    .await
}

/// Makes sure that an environment exists, and makes it where `create` allows to.
///
/// # Errors
/// [`ModalError::EnvironmentMissing`] with the names of those that exist, [`ModalError::Rpc`],
/// [`ModalError::Cancelled`].
pub async fn ensure_environment(
    client: &Client,
    environment: &Environment,
    create: bool,
    cancel: &CancellationToken,
) -> Result<(), ModalError> {
    let ensure = async {
        let known = client.environments().await?;
        if known.iter().any(|known| known.name == environment.as_str()) {
            return Ok(());
        }
        if !create {
            return Err(ModalError::EnvironmentMissing {
                environment: environment.clone(),
                known: known.into_iter().map(|known| known.name).collect(),
            });
        }
        client.create_environment(environment).await?;
        tracing::info!(target: "pipeline::progress", stage = "deploy", item = %environment,
            "environment created");
        Ok(())
    };
    cancel.run_until_cancelled(ensure).await.unwrap_or_else(|| {
        Err(ModalError::Cancelled {
            what: format!("find environment `{environment}`"),
        })
    })
}
