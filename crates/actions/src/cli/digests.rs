use std::path::Path;

use image_factory::retention::{self, Branch, BranchHistory, HistoryOptions, RetentionReport, Use};
use tokio_util::sync::CancellationToken;

use super::args::DigestsArgs;
use super::context::{filled, images, load_options};
use super::output::table;
use super::report::{self, Report};
use super::stage::{End, stage};
use crate::config::Config;
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &DigestsArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let list = args.keep_list.as_deref().map(Report::at).transpose()?;
    let list_is_stdout = list.as_ref().is_some_and(Report::is_stdout);
    if list_is_stdout && to.is_stdout() {
        let text = "print the report and the keep-list: both go to standard output";
        let hint = Some("name a file for one of them".to_owned());
        return Err(Failure::new(Exit::Input, text).with_hint(hint));
    }
    let config = Config::load(&args.repo)?;
    let branches = match filled(&args.branches) {
        named if named.is_empty() => {
            let environments = config.environments();
            environments.iter().map(ToString::to_string).collect()
        }
        named => named,
    };
    let images = images()?;
    let work = async {
        let (root, patterns) = (&args.repo, filled(&args.requests));
        let mut requests = retention::branches_like(root, &patterns, cancel).await?;
        requests.retain(|name| !branches.contains(name));
        let options = HistoryOptions {
            root: root.clone(),
            branches: with_files(root, branches, cancel).await?,
            requests: with_files(root, requests, cancel).await?,
            earlier: args.last > 0,
        };
        let histories = retention::histories(&options, cancel).await?;
        if list.is_some() {
            is_whole(&histories)?;
        }
        let plan = retention::plan(&histories, args.last);
        for warning in &plan.warnings {
            tracing::warn!("{warning}");
        }
        Ok(retention::run(&plan, &images, cancel).await?)
    };
    let report = stage("digests", work, |report| {
        let missing = report.missing().count();
        match missing {
            0 => End::Done(format!("{} to keep, all there", report.digests.len())),
            _ => End::Failed(format!("{missing} of {} missing", report.digests.len())),
        }
    })
    .await?;
    let delivered = to.deliver(&report, || match list_is_stdout {
        true => String::new(),
        false => show(&report),
    });
    let listed = match &list {
        Some(list) => list.put(&report.keep_list()).map(drop),
        None => Ok(()),
    };
    let ended = match missing(&report) {
        None => Ok(Exit::Done),
        Some(failure) => Err(failure),
    };
    report::ended(ended, delivered.and(listed))
}

/// Where each branch has its registry files, as its own `pipeline.yml` says.
pub(super) async fn with_files(
    root: &Path,
    names: Vec<String>,
    cancel: &CancellationToken,
) -> Result<Vec<Branch>, Failure> {
    let mut branches = Vec::new();
    for name in names {
        let mut config = Config::default();
        for file in Config::FILES {
            if let Some(text) = retention::read_file(root, &name, file, cancel).await? {
                let text = String::from_utf8_lossy(&text);
                config = Config::parse(&text, format!("{name}:{file}").into())?;
                break;
            }
        }
        let globs = load_options(&config).globs;
        branches.push(Branch { name, globs });
    }
    Ok(branches)
}

/// What a keep-list lacks is deleted.
fn is_whole(histories: &[BranchHistory]) -> Result<(), Failure> {
    let Some(history) = histories.iter().find(|history| history.shallow) else {
        return Ok(());
    };
    let text = format!(
        "make the keep-list: the history of `{}` is cut off in this clone, and with it earlier pins",
        history.branch
    );
    let hint = "`git fetch --unshallow`, or `fetch-depth: 0` of actions/checkout; with `--last 0` \
                earlier pins do not count";
    Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())))
}

fn missing(report: &RetentionReport) -> Option<Failure> {
    let lines: Vec<String> = report
        .missing()
        .map(|one| format!("\n  - {} ({}{})", one.image, one.role, by(&one.uses)))
        .collect();
    if lines.is_empty() {
        return None;
    }
    let text = format!(
        "find {} digests that must be there:{}",
        lines.len(),
        lines.concat()
    );
    let hint = "what is pinned is built again with `pipeline build --rebuild --processors NAME`; \
                let clean-ups leave alone what `--keep-list` names";
    Some(Failure::new(Exit::Drift, text).with_hint(Some(hint.to_owned())))
}

fn by(uses: &[Use]) -> String {
    let uses: Vec<String> = uses
        .iter()
        .map(|one| format!("{} on {}", one.reference, one.branch))
        .collect();
    match uses.is_empty() {
        true => String::new(),
        false => format!(": {}", uses.join(", ")),
    }
}

fn show(report: &RetentionReport) -> String {
    let rows: Vec<Vec<String>> = report
        .digests
        .iter()
        .map(|one| {
            let uses: Vec<String> = one
                .uses
                .iter()
                .map(|one| format!("{} on {}", one.reference, one.branch))
                .collect();
            vec![
                one.image.repository.to_string(),
                one.image.digest.short().to_owned(),
                one.role.to_string(),
                if one.present { "there" } else { "MISSING" }.to_owned(),
                uses.join(", "),
            ]
        })
        .collect();
    table(
        &["repository", "digest", "why", "registry", "processor"],
        &rows,
    )
}
