use std::collections::BTreeMap;

use github::MergeMethod;
use image_factory::build::{self, BuildOptions, Built, Outcome};
use image_factory::pin::{self, ProposeOptions};
use image_factory::plan;
use registry_model::{Platform, ProcessorRef, Registry};

use super::RehearseError;
use super::report::RehearsalReport;
use super::scene::Scene;
use super::stages::Stages;

/// Plans, builds, pins, and merges the pins into the first environment's branch. Returns the
/// image of each processor for the platform that Modal runs.
pub(super) async fn make(
    scene: &Scene<'_>,
    registry: &Registry,
    report: &mut RehearsalReport,
    progress: &mut Stages<'_>,
) -> Result<BTreeMap<ProcessorRef, Built>, RehearseError> {
    let Scene {
        servers, cancel, ..
    } = scene;
    let entries: Vec<_> = registry.entries.iter().collect();

    progress.start("plan");
    let planning = scene.plan_options();
    let planned = plan::plan(registry, &entries, &servers.images, &planning, cancel).await?;
    let count = planned.to_build().count();
    progress.done(format!(
        "{count} to build, {} to reuse",
        planned.items.len() - count
    ));
    report.plan = Some(planned.clone());

    progress.start("build");
    let building = BuildOptions::new(scene.root());
    let built = build::build(&planned, &servers.images, &building, cancel).await?;
    let count = built
        .built
        .iter()
        .filter(|one| one.decision == Outcome::Built)
        .count();
    let receipts = scene
        .attest(|facts| build::receipts(&built, None, facts))
        .await?;
    progress.done(format!(
        "{count} built and pushed, each digest confirmed by the registry; {receipts} receipts"
    ));
    report.build = Some(built.clone());

    progress.start("pin");
    let changes = pin::changes(&built, registry)?;
    let mut proposing = ProposeOptions::new(&report.run_id);
    proposing.base = scene.first.to_string();
    let pinned = pin::propose(&servers.repo, &changes, &proposing, cancel).await?;
    let summary = match &pinned.pull_request {
        Some(request) => {
            let (number, method) = (request.number, MergeMethod::Merge);
            servers
                .repo
                .merge_pull_request(number, method, &request.head_sha)
                .await?;
            servers.repo.delete_branch(&proposing.branch).await?;
            format!(
                "{} pins changed; pull request #{number} merged into {}",
                pinned.changes.changes.len(),
                proposing.base
            )
        }
        None => "no pin changed".to_owned(),
    };
    report.pin = Some(pinned);
    progress.done(summary);

    let runs = Platform::linux_amd64();
    let for_modal = |platform: &Option<Platform>| platform.as_ref().is_none_or(|own| *own == runs);
    Ok(built
        .built
        .into_iter()
        .filter(|one| for_modal(&one.pin_platform))
        .map(|one| (one.reference.clone(), one))
        .collect())
}
