use std::collections::BTreeSet;
use std::path::Path;

use acceptance::{AcceptancePlan, Configured, ContractReport, Sources, StackReport, SuiteReport};
use registry_model::{Entry, Platform, Registry};
use tokio_util::sync::CancellationToken;

use super::report::RehearsalReport;
use super::scene::Scene;
use super::stages::Stages;
use super::{RehearseError, RehearseOptions};

/// Proves the pinned images on the stack, with the suite, as far as the repository has them. Returns
/// whether each image that is used was accepted.
pub(super) async fn run(
    scene: &Scene<'_>,
    registry: &Registry,
    report: &mut RehearsalReport,
    progress: &mut Stages<'_>,
) -> Result<bool, RehearseError> {
    progress.start("accept");
    let images = acceptance::guard(&registry.entries, &Platform::linux_amd64())?;
    let plan = plan(scene.options, registry, scene.root())?;
    let missing: Vec<&str> = [add(&plan.contract), add(&plan.stack), add(&plan.suite)]
        .into_iter()
        .flatten()
        .collect();
    // A suite that does not pass is an error, which tells how far it came.
    let ran = acceptance::run(&plan, &images, scene.cancel)
        .await
        .inspect_err(|error| report.acceptance = error.report().cloned())?;
    let parts = [held(&ran.contract), healthy(&ran.stack)];
    let mut parts: Vec<String> = parts.into_iter().flatten().collect();
    if let SuiteReport::Ran { command, .. } = &ran.suite {
        parts.push(format!("`{}` passed", command.join(" ")));
    }
    let mut accepted = BTreeSet::new();
    let receipts = scene.attest(|facts| {
        let drafts = acceptance::receipts(&ran, facts);
        accepted.extend(drafts.iter().map(|draft| draft.image.clone()));
        drafts
    });
    let receipts = receipts.await?;
    if ran.verdict.is_passed() {
        parts.push(format!("{receipts} receipts"));
        parts.extend(missing.iter().map(|add| format!("not configured: {add}")));
        progress.done(parts.join("; "));
    } else {
        parts.extend(missing.iter().map(|add| (*add).to_owned()));
        progress.not_configured(&parts.join("; "));
    }
    report.acceptance = Some(ran);
    Ok(images.iter().all(|(_, used)| accepted.contains(used)))
}

/// Whether this machine has what the stage needs: better known before ten minutes of building.
pub(super) async fn preflight(
    options: &RehearseOptions,
    registry: &Registry,
    root: &Path,
    cancel: &CancellationToken,
) -> Result<(), RehearseError> {
    Ok(acceptance::preflight(&plan(options, registry, root)?, cancel).await?)
}

fn plan(
    options: &RehearseOptions,
    registry: &Registry,
    root: &Path,
) -> Result<AcceptancePlan, RehearseError> {
    let mut wanted = options.acceptance.clone();
    wanted.root = root.to_path_buf();
    let enabled = registry.entries.iter().filter(|entry| entry.enabled);
    let entries: Vec<Entry> = enabled.cloned().collect();
    let sources = Sources::read(&wanted)?.with_cases(&entries)?;
    Ok(acceptance::plan(&wanted, &sources)?)
}

/// The contracts that were kept.
fn held(contract: &ContractReport) -> Option<String> {
    match contract {
        ContractReport::Ran { cases, .. } => Some(format!("{} cases held", cases.len())),
        ContractReport::Accepted | ContractReport::NotConfigured { .. } => None,
    }
}

/// The services that came up.
fn healthy(stack: &StackReport) -> Option<String> {
    match stack {
        StackReport::Ran { services, .. } => {
            let names: Vec<&str> = services.iter().map(|one| one.name.as_str()).collect();
            Some(format!("{} healthy", names.join(", ")))
        }
        StackReport::Failed { .. } | StackReport::Accepted | StackReport::NotConfigured { .. } => {
            None
        }
    }
}

fn add<T>(part: &Configured<T>) -> Option<&str> {
    match part {
        Configured::Configured(_) | Configured::Accepted => None,
        Configured::NotConfigured { add } => Some(add),
    }
}
