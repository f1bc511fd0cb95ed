use std::path::{Path, PathBuf};

use modal_deploy::deploy::{AppFile, DeployOptions, ModalCli, plan as plan_deploy};
use modal_deploy::gate::Gate;
use modal_deploy::{DeployReport, Deployed, ErrorClass, Processor, RunOptions, Verdict, secrets};
use promotion::{PromotionReport, Standing};
use registry_model::{Environment, Platform, Registry};
use tokio_util::sync::CancellationToken;

use super::attest::Asked;
use super::report::RehearsalReport;
use super::scene::Scene;
use super::secrets::made_up;
use super::stages::Stages;
use super::{RehearseError, RehearseOptions};

/// The Modal app of the repository, if it has one. With one, the `modal` program is looked for
/// too: better now than after ten minutes of building.
pub(super) async fn find_app(
    options: &RehearseOptions,
    root: &Path,
    cancel: &CancellationToken,
) -> Result<Option<PathBuf>, RehearseError> {
    let usual = usual_app(options);
    let app = match &options.modal_app {
        Some(app) => app.clone(),
        None if root.join(&usual).is_file() => usual,
        None => return Ok(None),
    };
    let runs = Platform::linux_amd64();
    if !options.platforms.contains(&runs) {
        return Err(RehearseError::Setting {
            what: "`platforms`",
            problem: format!("Modal runs {runs}, which is not among them"),
        });
    }
    AppFile::find(root, &app.to_string_lossy())?;
    ModalCli::find(None, cancel).await?;
    Ok(Some(app))
}

/// Where the Modal app is looked for.
pub(super) fn usual_app(options: &RehearseOptions) -> PathBuf {
    options.registry.context.join("modal_app.py")
}

/// Writes the secrets, deploys what is pinned in the working tree, and smoke-tests it; nothing that
/// the gate does not let through.
pub(super) async fn deploy(
    scene: &Scene<'_>,
    app: &Path,
    environment: &Environment,
    gate: Gate,
    report: &mut RehearsalReport,
    progress: &mut Stages<'_>,
) -> Result<(), RehearseError> {
    let Some(modal) = &scene.servers.modal else {
        return Ok(());
    };
    let registry = Registry::load(scene.root(), &scene.options.registry)?;
    let platform = Platform::linux_amd64();
    let processors: Vec<Processor> = registry
        .entries
        .iter()
        .filter(|entry| entry.enabled)
        .map(|entry| Processor::from_entry(entry, &platform))
        .collect();
    let values = made_up(&registry)?;
    let secrets = secrets::plan(&processors, &secrets::shared(), &values, environment)?;
    let plan = plan_deploy(&processors, &secrets)?;
    let mut deploying = DeployOptions::new(scene.root());
    deploying.app_file = app.to_string_lossy().into_owned();
    deploying.code.clone_from(&scene.options.modal_code);
    deploying.commit = Some(scene.scratch.head(scene.cancel).await?);
    let run = RunOptions {
        gate: Some(gate),
        smoke: Some(scene.options.smoke.clone()),
        create_environment: true,
        registry: Some(scene.servers.images.clone().into()),
        ..RunOptions::new(deploying)
    };
    let done = modal_deploy::run(&modal.control, &plan, &secrets, &run, scene.cancel).await?;
    let outcome = judge(&done, environment);
    let receipts = scene
        .attest(|facts| modal_deploy::receipts(&done, facts))
        .await?;
    let summary = format!(
        "{} secrets written, {} apps live, every smoke test passed; {receipts} receipts",
        done.secrets.written().len(),
        done.apps.len()
    );
    report.deploys.push(done);
    outcome?;
    progress.done(summary);
    Ok(())
}

fn judge(report: &DeployReport, environment: &Environment) -> Result<(), RehearseError> {
    let environment = environment.clone();
    match report.class() {
        None => Ok(()),
        Some(ErrorClass::Cancelled) => Err(RehearseError::Cancelled),
        Some(ErrorClass::Smoke) => Err(RehearseError::NotSmoked {
            environment,
            failures: report
                .apps
                .iter()
                .filter(|app| app.smoke.verdict == Verdict::Failed)
                .map(|app| {
                    format!(
                        "{}: {}",
                        app.reference,
                        app.smoke.detail.as_deref().unwrap_or("failed")
                    )
                })
                .collect(),
        }),
        Some(ErrorClass::Deploy | ErrorClass::Input) => Err(RehearseError::NotDeployed {
            environment,
            hint: report.apps.iter().find_map(|app| app.hint.clone()),
            failures: not_deployed(report),
        }),
    }
}

fn not_deployed(report: &DeployReport) -> Vec<String> {
    let secrets = report.secrets.secrets.iter();
    let secrets = secrets.filter_map(|secret| secret.error.clone());
    let apps = report
        .apps
        .iter()
        .filter(|app| matches!(app.deployed, Deployed::Failed | Deployed::Superseded));
    let apps = apps.map(|app| {
        let error = app.error.as_deref().unwrap_or("failed");
        format!("{}: {error}", app.reference)
    });
    secrets.chain(apps).collect()
}

/// Merges the registry files of `from` into `to`, if all may go there, and leaves the working tree
/// there.
pub(super) async fn promote(
    scene: &Scene<'_>,
    asked: Asked,
    from: &Environment,
    to: &Environment,
    progress: &mut Stages<'_>,
) -> Result<PromotionReport, RehearseError> {
    progress.start(&format!("promote {to}"));
    let mut standings = Vec::new();
    for environment in [to, from] {
        let registry = scene.at(environment).await?;
        let head = scene.scratch.head(scene.cancel).await?;
        let commit = head.parse().map_err(|error| RehearseError::Setting {
            what: "the commit of the scratch copy",
            problem: format!("{error}"),
        })?;
        standings.push(Standing::of_entries(
            environment.clone(),
            commit,
            &registry.entries,
            &scene.options.platforms,
        ));
    }
    let plan = promotion::plan(&standings[1], &standings[0])?;
    let merging = promotion::RunOptions {
        merge: true,
        admissions: scene.notary.admit(asked, &plan, scene.cancel).await?,
        ..promotion::RunOptions::default()
    };
    let done = promotion::run(&plan, &merging, &scene.servers.repo, scene.cancel).await?;
    scene.at(to).await?;
    let receipts = scene
        .attest(|facts| promotion::receipts(&done, facts))
        .await?;
    progress.done(match &done.pull_request {
        Some(request) => format!(
            "{} pins from {from}; pull request #{} merged; {receipts} receipts",
            done.moves.len(),
            request.number
        ),
        None => format!("{from} and {to} pin the same digests"),
    });
    Ok(done)
}
