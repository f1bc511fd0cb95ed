use modal_deploy::preflight::{self, Finding, PreflightReport, Status, Wanted};
use tokio_util::sync::CancellationToken;

use super::args::ModalDoctorArgs;
use super::context::Context;
use super::deploy::deploying;
use super::modal::control;
use super::output::table;
use super::report::{self, Report};
use super::secrets::{mask_all, source};
use super::stage::{End, stage};
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(
    args: &ModalDoctorArgs,
    cancel: &CancellationToken,
) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let wanted = Wanted {
        environment: args.env.clone(),
        environments: context.config.environments(),
        processors: context.processors()?,
        all: context
            .registry
            .entries
            .iter()
            .map(|entry| entry.reference.clone())
            .collect(),
        shared: context.config.shared_secrets(),
        values: source(&args.source)?.with_names(context.config.secret_names()?),
        deploy: deploying(&context),
        create_environment: args.create_environment,
    };
    mask_all(&wanted.at_hand());
    let work = async {
        let control = control(&args.modal, cancel).await;
        Ok(preflight::run(control.as_ref(), &wanted, cancel).await?)
    };
    let report = stage(&format!("doctor modal {}", args.env), work, end).await?;
    for finding in report.with(Status::Warning) {
        tracing::warn!("{}", line(finding));
    }
    let delivered = to.deliver(&report, || show(&report));
    report::ended(failure(&report), delivered)
}

fn end(report: &PreflightReport) -> End {
    let all = report.findings.len();
    match report.with(Status::Failed).count() {
        0 => End::Done(format!("{all} checks, nothing in the way of a deploy")),
        failed => End::Failed(format!("{failed} of {all} checks failed")),
    }
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Ok => "✓",
        Status::Warning => "!",
        Status::Failed => "✗",
        Status::NotChecked => "?",
    }
}

fn show(report: &PreflightReport) -> String {
    let rows: Vec<Vec<String>> = report
        .findings
        .iter()
        .map(|one| {
            let text = one.text.lines().next().unwrap_or_default();
            let text = match one.status {
                Status::NotChecked => format!("not checked: {text}"),
                _ => text.to_owned(),
            };
            vec![
                mark(one.status).to_owned(),
                one.check.to_string(),
                one.subject.clone(),
                text,
            ]
        })
        .collect();
    table(&["", "check", "about", "found"], &rows)
}

/// What was found and what to do about it.
fn line(finding: &Finding) -> String {
    let mut text = format!("{} `{}`: {}", finding.check, finding.subject, finding.text);
    if let Some(cure) = &finding.cure {
        text.push_str(&format!("\nhint: {cure}"));
    }
    text.replace('\n', "\n    ")
}

/// All that is wrong, at once.
fn failure(report: &PreflightReport) -> Result<Exit, Failure> {
    let failed: Vec<&Finding> = report.with(Status::Failed).collect();
    if failed.is_empty() {
        return Ok(Exit::Done);
    }
    let mut text = format!("find all that a deploy to `{}` needs:", report.environment);
    for finding in failed {
        text.push_str(&format!("\n  - {}", line(finding)));
    }
    Err(Failure::new(Exit::Deploy, text))
}
