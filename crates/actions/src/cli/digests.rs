use image_factory::retention::{self, HistoryOptions, RetentionReport, Use};
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
    let options = HistoryOptions {
        root: args.repo.clone(),
        globs: load_options(&config).globs,
        branches,
        earlier: args.last > 0,
    };
    let images = images()?;
    let work = async {
        let histories = retention::histories(&options, cancel).await?;
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
