use std::path::Path;

use image_factory::build::BuildReport;
use image_factory::pin::{self, PinChanges, PinReport, ProposeOptions};
use registry_model::{Entry, PinPlace, SetOutcome, set_file};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::args::{PinArgs, PinCommand};
use super::context::{Context, github};
use super::output::{set_output, table};
use super::report::Report;
use super::stage::{End, stage};
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &PinArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    match &args.command {
        Some(command) => set(command),
        None => from_report(args, cancel).await,
    }
}

#[derive(Serialize)]
struct SetReport<'a> {
    schema: u32,
    file: &'a Path,
    image: String,
    written: bool,
}

fn set(command: &PinCommand) -> Result<Exit, Failure> {
    let PinCommand::Set {
        file,
        image,
        platform,
        json,
    } = command;
    let to = Report::to(json)?;
    let place = platform.clone().map_or(PinPlace::Oci, PinPlace::Platform);
    let outcome = set_file(file, &place, image)?;
    let written = outcome == SetOutcome::Written;
    let report = SetReport {
        schema: 1,
        file,
        image: image.to_string(),
        written,
    };
    to.deliver(&report, || {
        let what = if written { "pinned" } else { "already so" };
        format!("{}: {what}: {image}\n", file.display())
    })?;
    Ok(Exit::Done)
}

async fn from_report(args: &PinArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let Some(from) = &args.from else {
        return Err(Failure::new(Exit::Input, "pin: `--from` is not given"));
    };
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let report = BuildReport::read(from)?;
    let mut changes = pin::changes(&report, &context.registry)?;
    if context.is_narrowed() {
        let wanted = context.entries()?;
        changes.changes.retain(|change| {
            let is_it = |entry: &&Entry| {
                (&entry.file, &entry.reference) == (&change.file, &change.reference)
            };
            wanted.iter().any(is_it)
        });
    }
    let mut done = PinReport {
        schema: 1,
        base: args.base.clone(),
        changes: changes.clone(),
        commit: None,
        pull_request: None,
    };
    if args.dry_run {
        // The files stay as they are.
    } else if args.propose {
        let run_id = args
            .run_id
            .clone()
            .filter(|id| !id.is_empty())
            .ok_or_else(|| {
                Failure::new(Exit::Input, "name the bot branch: there is no run id").with_hint(
                    Some("give --run-id ID; in a workflow it is GITHUB_RUN_ID".to_owned()),
                )
            })?;
        let mut options = ProposeOptions::new(&run_id);
        options.base = args.base.clone();
        let repo = github(&args.github, cancel)?;
        let work = async { Ok(pin::propose(&repo, &changes, &options, cancel).await?) };
        done = stage("pin", work, |done| match &done.pull_request {
            Some(request) => End::Done(format!("pull request #{}", request.number)),
            None => End::Done(format!("`{}` has every pin", args.base)),
        })
        .await?;
    } else {
        pin::apply(&context.root, &changes)?;
    }
    let delivered = to.deliver(&done, || show(&done));
    if args.propose && !args.dry_run {
        let number = done
            .pull_request
            .as_ref()
            .map(|request| request.number.to_string());
        set_output("pull-request-number", &number.unwrap_or_default())?;
    }
    delivered?;
    Ok(Exit::Done)
}

fn show(done: &PinReport) -> String {
    let mut text = changes(&done.changes);
    if let Some(request) = &done.pull_request {
        text.push_str(&format!(
            "pull request #{}: {}\n",
            request.number, request.url
        ));
    }
    text
}

fn changes(changes: &PinChanges) -> String {
    if changes.is_empty() {
        return "every pin is as it should be\n".to_owned();
    }
    let rows: Vec<Vec<String>> = changes
        .changes
        .iter()
        .map(|change| {
            let old = change
                .old
                .as_ref()
                .map_or("pending", |image| image.digest.short());
            vec![
                change.name(),
                format!("{old} → {}", change.new.digest.short()),
                change.file.display().to_string(),
            ]
        })
        .collect();
    table(&["processor", "pin", "file"], &rows)
}
