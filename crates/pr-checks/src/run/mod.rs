mod one;
mod verdict;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::cache::{self, Kept};
use crate::inputs::file_keys;
use crate::{
    Action, Check, CheckName, CheckReport, ChecksError, ChecksReport, Finding, Options, Plan,
    Planned, Severity, Verdict,
};
use one::{Ended, Surroundings};

/// Of all checks together; a job summary and annotations hold far less.
const MOST_FINDINGS: usize = 5000;

/// Does what `plan` says: as many checks at once as there are jobs, each after those that it needs.
/// One that fails does not hide the others. When the caller cancels, all programs end with all
/// they started, and what is known by then is the report.
///
/// # Errors
/// When the root of the repository or a folder for files of this run cannot be had.
pub async fn run(
    plan: &Plan,
    options: &Options,
    cancel: &CancellationToken,
) -> Result<ChecksReport, ChecksError> {
    let started = Instant::now();
    let folder_error = |path: &Path| {
        let path = path.to_path_buf();
        |source| ChecksError::Folder { path, source }
    };
    let root = options
        .root
        .canonicalize()
        .map_err(folder_error(&options.root))?;
    let scratch = tempfile::Builder::new()
        .prefix("pipeline-checks-")
        .tempdir()
        .map_err(folder_error(&std::env::temp_dir()))?;
    let around = &Surroundings {
        root: &root,
        scratch: scratch.path(),
        changes: plan.changes.as_ref(),
        cancel,
    };
    let mut ended: BTreeMap<CheckName, Ended> = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    let mut waiting: Vec<&Planned> = plan.checks.iter().collect();
    loop {
        settle(&mut waiting, &mut ended, cancel);
        while running.len() < options.jobs.max(1)
            && let Some(next) = next(&mut waiting, &ended)
        {
            running.push(async move { (next, one::run(next, around).await) });
        }
        let Some((planned, end)) = running.next().await else {
            break;
        };
        ended.insert(planned.check.name.clone(), end);
    }
    keep(plan, &ended, options, cancel).await;
    Ok(report(plan, ended, started))
}

/// Gives a verdict to all that will not run, until there are no more.
fn settle(
    waiting: &mut Vec<&Planned>,
    ended: &mut BTreeMap<CheckName, Ended>,
    cancel: &CancellationToken,
) {
    loop {
        let before = waiting.len();
        waiting.retain(|planned| {
            let end = verdict::without_run(planned, ended, cancel.is_cancelled());
            if let Some(end) = end {
                one::tell(&planned.check.name, &end);
                ended.insert(planned.check.name.clone(), end);
                return false;
            }
            true
        });
        if waiting.len() == before {
            return;
        }
    }
}

/// The check to start now: of those whose needs have ended, the one with the longest way to go.
fn next<'a>(
    waiting: &mut Vec<&'a Planned>,
    ended: &BTreeMap<CheckName, Ended>,
) -> Option<&'a Planned> {
    let ready = |check: &Check| check.needs.iter().all(|need| ended.contains_key(need));
    let best = waiting
        .iter()
        .enumerate()
        .filter(|(_, planned)| ready(&planned.check))
        // Of equals, the first.
        .max_by(|(a_at, a), (b_at, b)| a.weight.total_cmp(&b.weight).then(b_at.cmp(a_at)))?;
    let at = best.0;
    Some(waiting.remove(at))
}

/// Keeps what passed for next time, unless its files changed while it ran. That this does not work
/// costs time only.
async fn keep(
    plan: &Plan,
    ended: &BTreeMap<CheckName, Ended>,
    options: &Options,
    cancel: &CancellationToken,
) {
    let Some(folder) = &options.cache else {
        return;
    };
    let passed: Vec<(&Planned, &Ended)> = plan
        .checks
        .iter()
        .filter(|planned| planned.action == Action::Run && planned.keys.is_some())
        .filter_map(|planned| Some((planned, ended.get(&planned.check.name)?)))
        .filter(|(_, end)| end.verdict == Verdict::Passed)
        .collect();
    if passed.is_empty() {
        return;
    }
    let checks: Vec<Check> = plan
        .checks
        .iter()
        .map(|planned| planned.check.clone())
        .collect();
    let Ok(now) = file_keys(&checks, &options.root, cancel).await else {
        return;
    };
    for (planned, end) in passed {
        let name = &planned.check.name;
        let Some(keys) = &planned.keys else { continue };
        if now.get(name) != Some(&keys.files) {
            tracing::debug!(target: "pipeline::log", item = %name, "not kept: its files changed while it ran");
            continue;
        }
        let kept = Kept {
            schema: 1,
            check: name.clone(),
            key: keys.all.clone(),
            seconds: end.seconds,
            findings: end.findings.clone(),
            left_out: end.left_out,
            coverage: end.coverage.clone(),
        };
        if let Err(error) = cache::store(folder, &kept) {
            tracing::warn!(folder = %folder.display(), %error, "what checks said cannot be kept");
            return;
        }
    }
}

fn report(plan: &Plan, mut ended: BTreeMap<CheckName, Ended>, started: Instant) -> ChecksReport {
    let mut findings: Vec<Finding> = Vec::new();
    let mut left_out = 0;
    let mut checks = Vec::new();
    for planned in &plan.checks {
        let Some(end) = ended.remove(&planned.check.name) else {
            continue;
        };
        let is_error = |found: &&Finding| found.severity == Severity::Error;
        checks.push(CheckReport {
            name: planned.check.name.clone(),
            verdict: end.verdict,
            errors: end.findings.iter().filter(is_error).count(),
            why: end.why,
            hint: end.hint,
            seconds: end.seconds,
            detail: end.detail,
            coverage: end.coverage,
        });
        findings.extend(end.findings);
        left_out += end.left_out;
    }
    findings.sort();
    left_out += findings.len().saturating_sub(MOST_FINDINGS);
    findings.truncate(MOST_FINDINGS);
    ChecksReport {
        schema: 1,
        checks,
        findings,
        left_out,
        seconds: started.elapsed().as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Facts;

    #[test]
    fn the_longest_way_to_go_begins_first() {
        let check = |name: &'static str, needs: &[&'static str]| {
            let needs: Vec<CheckName> = needs.iter().map(|need| CheckName::ours(need)).collect();
            let json = serde_json::json!({"name": name, "command": ["true"], "needs": needs});
            serde_json::from_value::<Check>(json).unwrap()
        };
        let checks = [
            check("short", &[]),
            check("long", &[]),
            check("head", &[]),
            check("tail", &["head"]),
        ];
        let mut facts = Facts::new(None);
        for (name, seconds) in [("short", 1.0), ("long", 8.0), ("head", 3.0), ("tail", 7.0)] {
            facts.seconds.insert(CheckName::ours(name), seconds);
        }
        let plan = crate::plan(&checks, &facts).unwrap();
        let mut waiting: Vec<&Planned> = plan.checks.iter().collect();
        let mut ended = BTreeMap::new();
        let mut order = Vec::new();
        while let Some(planned) = next(&mut waiting, &ended) {
            let name = planned.check.name.clone();
            order.push(name.as_str().to_owned());
            ended.insert(name, Ended::new(Verdict::Passed, ""));
        }
        assert_eq!(order, ["head", "long", "tail", "short"]);
        assert!(waiting.is_empty());
    }
}
