use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use image_factory::build::Built;
use registry_model::{Environment, PinnedImage, Platform, ProcessorRef, Registry};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::attest::{Asked, Notary};
use super::proof::{ProofRow, Verdict};
use super::report::RehearsalReport;
use super::scene::Scene;
use super::scratch::Scratch;
use super::servers::Servers;
use super::stages::Stages;
use super::{
    RehearseError, RehearseOptions, acceptance_stage, again, bases, environments, factory,
};

/// Runs every stage on a scratch copy of the repository.
///
/// `report` is filled as the stages end, so that it tells of a failure too. Whatever happens, what
/// was started is stopped, and containers, images and folders that were made are removed.
///
/// # Errors
/// The first stage that fails ends the rehearsal.
pub async fn run(
    options: &RehearseOptions,
    report: &mut RehearsalReport,
    cancel: &CancellationToken,
) -> Result<(), RehearseError> {
    report.schema = 1;
    report.repository = options.repository.clone();
    report.run_id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    let Some(first) = options.environments.first() else {
        return Err(RehearseError::Setting {
            what: "`environments`",
            problem: "there is none to go to".to_owned(),
        });
    };
    let mut stages = std::mem::take(&mut report.stages);
    let mut progress = Stages::new(&mut stages);
    let mut ended = async {
        progress.start("prepare");
        let scratch = Scratch::of(&options.repository, first.as_str(), cancel).await?;
        let mut servers = None;
        let ended = tokio::select! {
            biased;
            ended = everything(options, first, &scratch, &mut servers, report, &mut progress, cancel) => ended,
            // A stage that does not notice by itself may take a moment to end; not longer.
            () = overdue(cancel) => Err(RehearseError::Cancelled),
        };
        if let Err(error) = &ended {
            progress.failed(error.to_string());
        }
        if let Some(servers) = servers {
            servers.stop().await;
        }
        if options.keep {
            report.kept = scratch.keep();
        }
        ended
    }
    .await;
    if let Err(error) = &ended {
        progress.failed(error.to_string());
        if cancel.is_cancelled() {
            // Whatever broke when it was told to end, the user's wish is the cause.
            ended = Err(RehearseError::Cancelled);
        }
    }
    report.stages = stages;
    ended
}

async fn overdue(cancel: &CancellationToken) {
    cancel.cancelled().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
}

async fn everything(
    options: &RehearseOptions,
    first: &Environment,
    scratch: &Scratch,
    servers: &mut Option<Servers>,
    report: &mut RehearsalReport,
    progress: &mut Stages<'_>,
    cancel: &CancellationToken,
) -> Result<(), RehearseError> {
    let root = scratch.root();
    let registry = Registry::load(root, &options.registry)?;
    if !registry.entries.iter().any(|entry| entry.enabled) {
        let repo = options.repository.clone();
        return Err(RehearseError::NothingEnabled { repo });
    }
    let engine = image_factory::build::preflight(None, cancel).await?;
    acceptance_stage::preflight(options, &registry, root, cancel).await?;
    let app = environments::find_app(options, root, cancel).await?;
    let servers =
        servers.insert(Servers::start(options, first, scratch, app.is_some(), cancel).await?);
    let base_images = bases::publish(
        &options.base_images,
        &servers.registry.host(),
        &servers.images,
        cancel,
    )
    .await?;
    progress.done(format!(
        "{} processors; Docker engine {}, buildx {}",
        registry.entries.len(),
        engine.version,
        engine.buildx
    ));

    let scene = Scene {
        notary: Notary::new(&servers.images)?,
        options,
        first,
        scratch,
        servers,
        base_images,
        cancel,
    };
    let made = factory::make(&scene, &registry, report, progress).await?;
    let registry = scene.at(first).await?;
    let asked = Asked {
        acceptance: acceptance_stage::run(&scene, &registry, report, progress).await?,
        deployment: app.is_some(),
    };

    let mut previous: Option<&Environment> = None;
    for environment in &options.environments {
        if let Some(from) = previous {
            let promoted =
                environments::promote(&scene, asked, from, environment, progress).await?;
            report.promotions.push(promoted);
        }
        progress.start(&format!("deploy {environment}"));
        match &app {
            Some(app) => {
                let gate = scene.notary.gate(asked, previous, environment);
                environments::deploy(&scene, app, environment, gate, report, progress).await?;
            }
            None => progress.not_configured(&format!(
                "add `{}` with a `{}` function, or name your app in `modal.app` of pipeline.yml",
                environments::usual_app(options).display(),
                options.smoke.function()
            )),
        }
        previous = Some(environment);
    }

    progress.start("again");
    let again = again::run(&scene, &made).await?;
    progress.done("nothing to build, nothing to pin");
    report.again = Some(again);

    progress.start("proof");
    report.proof = prove(&scene, asked, report, &made).await?;
    let differing: Vec<String> = report
        .proof
        .iter()
        .filter_map(|row| match &row.verdict {
            Verdict::Differs(why) => {
                Some(format!("{} in {}: {why}", row.reference, row.environment))
            }
            Verdict::Proven | Verdict::Pinned => None,
        })
        .collect();
    if !differing.is_empty() {
        return Err(RehearseError::NotProven { rows: differing });
    }
    progress.done(format!(
        "{} digests, one and the same in {}; {} receipts asked for and believed",
        made.len(),
        if app.is_some() {
            "git, the registry and every environment"
        } else {
            "git and the registry"
        },
        report
            .proof
            .iter()
            .map(|row| row.receipts.len())
            .sum::<usize>()
    ));
    Ok(())
}

/// Asks git, the registry and the control plane what each environment runs.
async fn prove(
    scene: &Scene<'_>,
    asked: Asked,
    report: &RehearsalReport,
    made: &BTreeMap<ProcessorRef, Built>,
) -> Result<Vec<ProofRow>, RehearseError> {
    let platform = Platform::linux_amd64();
    let mut rows = Vec::new();
    let servers = scene.servers;
    let images: Vec<PinnedImage> = made.values().map(|built| built.image.clone()).collect();
    let proven = scene.notary.judge(&images, scene.cancel).await?;
    for environment in &scene.options.environments {
        let registry = scene.at(environment).await?;
        for entry in registry.entries.iter().filter(|entry| entry.enabled) {
            let built = made.get(&entry.reference);
            let git = entry.pinned(&platform).cloned();
            let verdicts = git.as_ref().and_then(|pin| proven.get(pin));
            let verdicts = verdicts.map_or(&[][..], Vec::as_slice);
            let (mut receipts, mut lacking) = (Vec::new(), Vec::new());
            for required in asked.of_live(environment, environment != scene.first) {
                match required.lacks(verdicts) {
                    None => receipts.push(required),
                    Some(why) => lacking.push(why),
                }
            }
            // Not the pin looked up by itself: what the registry says the inputs were built to.
            let registry = match built {
                Some(built) if servers.images.exists(&built.image).await? => {
                    let tag = built.key.tag();
                    servers
                        .images
                        .resolve(&built.image.repository, &tag)
                        .await?
                }
                _ => None,
            };
            let app = entry.reference.app_name();
            let deployed = report
                .deploys
                .iter()
                .filter(|deploy| deploy.environment == *environment)
                .flat_map(|deploy| &deploy.apps)
                .find(|deployed| deployed.reference == entry.reference);
            let row = ProofRow {
                reference: entry.reference.clone(),
                environment: environment.clone(),
                git,
                registry,
                modal: servers
                    .modal
                    .as_ref()
                    .map(|modal| modal.server.deployed(environment, &app))
                    .map(|live| live.map_or_else(String::new, |live| live.from_image)),
                smoke: deployed.map(|app| app.smoke.verdict == modal_deploy::Verdict::Passed),
                receipts,
                lacking,
                verdict: Verdict::Pinned,
            };
            rows.push(row.judge(built.map(|built| &built.image.digest)));
        }
    }
    Ok(rows)
}

/// A secret of this rehearsal only, in a form that can be searched for in what it prints.
pub(super) fn random_secret() -> SecretString {
    SecretString::from(format!("rehearsal-{}", uuid::Uuid::new_v4().simple()))
}

/// The last part of the path of the repository, as GitHub would take it for a name.
pub(super) fn repository_name(repository: &Path) -> String {
    let absolute = std::path::absolute(repository).unwrap_or_else(|_| repository.to_path_buf());
    let last = absolute
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase());
    let name: String = last
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = name
        .split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    if name.is_empty() {
        "repository".to_owned()
    } else {
        name.chars().take(80).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_make_repository_names() {
        assert_eq!(
            repository_name(Path::new("/a/My Processors_2")),
            "my-processors-2"
        );
        assert_eq!(repository_name(Path::new("/")), "repository");
    }
}
