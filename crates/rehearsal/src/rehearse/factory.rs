use std::collections::BTreeMap;

use github::MergeMethod;
use image_factory::build::{self, BuildOptions, Built, Outcome};
use image_factory::pin::{self, ProposeOptions};
use image_factory::plan::{self, PlanOptions};
use registry_model::{Platform, ProcessorRef, Registry};
use tokio_util::sync::CancellationToken;

use super::report::RehearsalReport;
use super::run::{at, repository_name};
use super::scratch::Scratch;
use super::servers::Servers;
use super::stages::Stages;
use super::{RehearseError, RehearseOptions};

/// Plans, builds, pins, and merges the pins into the first environment's branch. Returns the
/// image of each processor for the platform that Modal runs.
pub(super) async fn make(
    options: &RehearseOptions,
    scratch: &Scratch,
    servers: &Servers,
    base_images: &BTreeMap<String, String>,
    report: &mut RehearsalReport,
    progress: &mut Stages<'_>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<ProcessorRef, Built>, RehearseError> {
    let root = scratch.root();
    let registry = Registry::load(root, &options.registry)?;
    let entries: Vec<_> = registry.entries.iter().collect();

    progress.start("plan");
    let planning = plan_options(options, scratch, servers, base_images);
    let planned = plan::plan(&registry, &entries, &servers.images, &planning, cancel).await?;
    let count = planned.to_build().count();
    progress.done(format!(
        "{count} to build, {} to reuse",
        planned.items.len() - count
    ));
    report.plan = Some(planned.clone());

    progress.start("build");
    let built = build::build(&planned, &servers.images, &BuildOptions::new(root), cancel).await?;
    let count = built
        .built
        .iter()
        .filter(|one| one.decision == Outcome::Built)
        .count();
    progress.done(format!(
        "{count} built and pushed, each digest confirmed by the registry"
    ));
    report.build = Some(built.clone());

    progress.start("pin");
    let changes = pin::changes(&built, &registry)?;
    let mut proposing = ProposeOptions::new(&report.run_id);
    proposing.base = first_branch(options);
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
    if let Some(first) = options.environments.first() {
        at(options, scratch, servers, first, cancel).await?;
    }
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

pub(super) fn plan_options(
    options: &RehearseOptions,
    scratch: &Scratch,
    servers: &Servers,
    base_images: &BTreeMap<String, String>,
) -> PlanOptions {
    let mut planning = PlanOptions::new(scratch.root());
    // The registry is replaced below; the path is what counts.
    let default = || format!("ghcr.io/rehearsal/{}", repository_name(&options.repository));
    planning.image_prefix = Some(options.image_prefix.clone().unwrap_or_else(default));
    planning.registry_host = Some(servers.registry.host());
    planning.platforms = options.platforms.clone();
    planning.base_images = base_images.clone();
    planning
}

pub(super) fn first_branch(options: &RehearseOptions) -> String {
    options
        .environments
        .first()
        .map_or_else(|| "dev".to_owned(), ToString::to_string)
}
