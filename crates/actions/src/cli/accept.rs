mod annotations;
mod earlier;
mod event;
mod show;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use acceptance::{
    AcceptanceError, AcceptanceOptions, AcceptancePlan, AcceptanceReport, Part, Sources, Verdict,
};
use registry_model::{Entry, PinState, PinnedImage, Platform, Registry};
use tokio_util::sync::CancellationToken;

use super::args::{AcceptArgs, AcceptPart};
use super::context::Context;
use super::output::print;
use super::report::{self, Report};
use super::stage::{End, stage};
use super::{summary, trail};
use crate::config::{Config, ObjectsConfig, Pending};
use crate::exit::Exit;
use crate::ui::Failure;
use annotations::Places;

pub(super) async fn run(args: &AcceptArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let config = Config::load(&args.repo.repo)?;
    if let Some(why) = event::not_asked(config.acceptance.label())? {
        return skipped(why, &args.repo.repo, &to).await;
    }
    let context = Context::open(&args.repo)?;
    let entries: Vec<Entry> = context.entries()?.into_iter().cloned().collect();
    let images = match acceptance::guard(&entries, &Platform::linux_amd64()) {
        Ok(images) => images,
        Err(error) => {
            let pending = args.pending.flatten().unwrap_or(config.acceptance.pending);
            if pending == Pending::Fail || !error.is_pending() {
                return Err(error.into());
            }
            return skipped(waiting(&error), &context.root, &to).await;
        }
    };
    let mut options = options(&context.root, &context.config);
    options.only = only(args)?;
    options.left_out = left_out(&context.registry, &entries);
    options.cases = (!args.cases.is_empty()).then(|| args.cases.clone());
    let sources = Sources::read(&options)?.with_cases(&entries)?;
    let plan = acceptance::plan(&options, &sources)?;
    let work = async {
        let plan = match args.again {
            true => plan,
            false => earlier::leave_out(plan, &context, &images, cancel).await?,
        };
        let ended = acceptance::run(&plan, &images, cancel).await;
        let report = ended.as_ref().map_or_else(AcceptanceError::report, Some);
        if let Some(report) = report {
            trail::tell((&context).into(), &trail::of_acceptance(report), cancel).await;
        }
        ended.map_err(|error| failed(error, &plan, &context, &to))
    };
    let report = stage("acceptance", work, end).await?;
    finish(&report, &context.root, &to)
}

/// A stage that is left out: it ends well, as whoever requires it must be able to go on.
async fn skipped(why: String, root: &Path, to: &Report) -> Result<Exit, Failure> {
    let report = AcceptanceReport::skipped(why);
    let report = stage("acceptance", async { Ok(report) }, end).await?;
    finish(&report, root, to)
}

/// The same as the error would say, on one line.
fn waiting(error: &AcceptanceError) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    let pins: Vec<&str> = lines.collect();
    let hint = error.hint().unwrap_or_default();
    format!("it would {first} {}; {hint}", pins.join(", "))
}

fn end(report: &AcceptanceReport) -> End {
    let line = show::line(report);
    match report.verdict {
        Verdict::Passed => End::Done(line),
        Verdict::NotConfigured => End::NotConfigured(line),
        Verdict::Skipped => End::Skipped(line),
        Verdict::Failed => End::Failed(line),
    }
}

fn finish(report: &AcceptanceReport, root: &Path, to: &Report) -> Result<Exit, Failure> {
    if let Some(notice) = show::notice(report) {
        // A closed standard error is no reason to fail.
        let _ = writeln!(std::io::stderr(), "{notice}");
    }
    let places = Places {
        root,
        directory: None,
    };
    summary::write(|| show::markdown(report, &places))?;
    let delivered = to.deliver(report, || show::text(report));
    let exit = match report.verdict {
        Verdict::Passed | Verdict::NotConfigured | Verdict::Skipped => Exit::Done,
        Verdict::Failed => Exit::Acceptance,
    };
    report::ended(Ok(exit), delivered)
}

/// Shows and writes how far the stage came although it failed.
fn failed(
    error: AcceptanceError,
    plan: &AcceptancePlan,
    context: &Context,
    to: &Report,
) -> Failure {
    let Some(report) = error.report() else {
        return error.into();
    };
    let suite = plan.suite.get();
    let places = Places {
        root: &context.root,
        directory: suite.map(|suite| suite.directory.as_path()),
    };
    let shown = summary::write(|| show::markdown(report, &places));
    let table = super::accept_contract::table(&report.contract);
    let told = shown.and_then(|()| match to.is_stdout() {
        true => Ok(()),
        false => print(&format!("{table}{}", show::services(report))),
    });
    if let Err(failure) = told {
        tracing::warn!("failed to {}", failure.error);
    }
    to.deliver_failed(report);
    let annotations = annotations::of_report(report, &places);
    Failure::from(error).with_annotations(annotations)
}

/// The images of the processors that nobody asked for, when there are such.
fn left_out(registry: &Registry, asked: &[Entry]) -> Option<Vec<PinnedImage>> {
    let is_asked = |entry: &Entry| asked.iter().any(|it| it.reference == entry.reference);
    let enabled = registry.entries.iter().filter(|entry| entry.enabled);
    let others: Vec<&Entry> = enabled.filter(|entry| !is_asked(entry)).collect();
    let images = others.iter().flat_map(|entry| &entry.pins);
    let images = images.filter_map(|pin| match &pin.state {
        PinState::Pinned(image) => Some(image.clone()),
        PinState::Pending { .. } => None,
    });
    (!others.is_empty()).then(|| images.collect())
}

/// What is asked for: a case is one of the contract.
fn only(args: &AcceptArgs) -> Result<Option<Part>, Failure> {
    match (args.part, args.cases.is_empty()) {
        (Some(AcceptPart::Suite), false) => {
            let text = "run a case of the contract: `--part suite` leaves it out";
            Err(Failure::new(Exit::Input, text))
        }
        (Some(AcceptPart::Suite), true) => Ok(Some(Part::Suite)),
        (Some(AcceptPart::Contract), _) | (None, false) => Ok(Some(Part::Contract)),
        (None, true) => Ok(None),
    }
}

/// The acceptance stage as `pipeline.yml` has it.
pub(super) fn options(root: &Path, config: &Config) -> AcceptanceOptions {
    let configured = &config.acceptance;
    let mut options = AcceptanceOptions::new(root);
    options.compose_file = configured.compose_file.clone();
    options.compose_overrides = configured.compose_override.clone();
    options.services = configured.services.clone();
    options.directory = configured.directory.clone();
    options.context = config.context.clone();
    options.command = configured.command.clone();
    options.env = configured.env.clone();
    let artifacts = configured.artifacts.as_ref();
    options.objects = artifacts.map(ObjectsConfig::options);
    if let Some(seconds) = configured.timeout_seconds {
        options.timeout = Duration::from_secs(seconds);
    }
    options
}
