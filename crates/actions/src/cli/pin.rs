use std::path::{Path, PathBuf};

use github::MergeMethod;
use image_factory::build::BuildReport;
use image_factory::pin::{
    self, Dispatch, PinAction, PinChanges, PinPreview, PinReport, ProposeOptions,
};
use registry_model::{Entry, PinPlace, SetOutcome, set_file};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

mod checkout;

use super::args::{PinArgs, PinCommand, RequestArgs};
use super::context::{Context, filled, github, images, non_empty, set};
use super::output::{set_output, table};
use super::report::Report;
use super::stage::{End, stage};
use super::{summary, trail};
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &PinArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    match &args.command {
        Some(command) => pin_file(command),
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

fn pin_file(command: &PinCommand) -> Result<Exit, Failure> {
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
    let to = Report::beside(&args.json)?;
    let context = Context::open(&args.repo)?;
    let from = files_in(&args.from)?;
    let reports = from.iter().map(|path| Ok(BuildReport::read(path)?));
    let reports = reports.collect::<Result<_, Failure>>()?;
    to.clear()?;
    let report = pin::gather(reports)?;
    let mut wanted = report.clone();
    if context.is_narrowed() {
        let entries = context.entries()?;
        wanted.built.retain(|built| {
            let is_it =
                |entry: &&Entry| (&entry.file, &entry.reference) == (&built.file, &built.reference);
            entries.iter().any(is_it)
        });
    }
    let changes = pin::changes(&wanted, &context.registry)?;
    // What goes into every image is as `pipeline.yml` says, or the next run would build it again.
    let mut options = context.pin_options();
    options.reports = to.files().chain(from).collect();
    let images = images()?;
    let registry = &context.registry;
    pin::prove(registry, &report, &changes, &images, &options, cancel).await?;
    let done = if args.propose {
        let reports = &options.reports;
        propose(args, &context, &changes, reports, cancel).await?
    } else {
        if !args.dry_run {
            pin::apply(&context.root, &changes)?;
        }
        PinReport::new(&args.request.base, changes)
    };
    let delivered = to.deliver(&done, || show(&done));
    set_outputs(&done)?;
    summary::write(|| summary::of_pin(&done))?;
    trail::tell((&context).into(), &trail::of_pin(&done), cancel).await;
    delivered?;
    Ok(Exit::Done)
}

async fn propose(
    args: &PinArgs,
    context: &Context,
    changes: &PinChanges,
    reports: &[PathBuf],
    cancel: &CancellationToken,
) -> Result<PinReport, Failure> {
    let mut options = options(&args.request)?;
    let repo = github(&args.request.github, cancel)?;
    options.source = Some(checkout::source(context, changes, reports, cancel).await?);
    let work = async {
        Ok(match args.dry_run {
            true => pin::preview(&repo, changes, &options, cancel).await?,
            false => pin::propose(&repo, changes, &options, cancel).await?,
        })
    };
    let done = stage("pin", work, |done| End::Done(told(done))).await?;
    for notice in &done.notices {
        tracing::warn!("{notice}");
    }
    Ok(done)
}

/// Where and how to propose.
fn options(args: &RequestArgs) -> Result<ProposeOptions, Failure> {
    let branch = non_empty(args.branch.clone());
    let run_id = non_empty(args.run_id.clone());
    if branch.is_none() && run_id.is_none() {
        let text = "name the bot branch: there is no run id";
        let hint = "give --run-id ID or --branch NAME; in a workflow the run id is GITHUB_RUN_ID";
        return Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())));
    }
    let mut options = ProposeOptions::new(&run_id.clone().unwrap_or_default());
    if let Some(branch) = branch {
        options.branch = branch;
    }
    options.base.clone_from(&args.base);
    options.run_url = match (set("GITHUB_SERVER_URL"), set("GITHUB_REPOSITORY"), run_id) {
        (Some(server), Some(repository), Some(run)) => {
            Some(format!("{server}/{repository}/actions/runs/{run}"))
        }
        _ => None,
    };
    options.draft = args.draft;
    options.labels = filled(&args.labels);
    options.reviewers = filled(&args.reviewers);
    options.team_reviewers = filled(&args.team_reviewers);
    options.auto_merge = args.auto_merge.flatten();
    options.takeover = args.takeover;
    options.dispatch = non_empty(args.dispatch.clone()).map(|workflow| Dispatch {
        workflow,
        context: non_empty(args.status_context.clone()).unwrap_or_else(|| "acceptance".to_owned()),
    });
    Ok(options)
}

/// These files, and the files `*.json` of these folders.
pub(super) fn files_in(from: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in from {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let unreadable = |error: std::io::Error| {
            let text = format!("read the reports in `{}`: {error}", path.display());
            Failure::new(Exit::Input, text)
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                files.push(file);
            }
        }
        if files.is_empty() {
            let text = format!("find reports in `{}`: it has no `*.json`", path.display());
            let hint = "each job writes one with `--json FILE`";
            return Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())));
        }
        files.sort();
        all.extend(files);
    }
    Ok(all)
}

/// Each output is set, whatever happened.
fn set_outputs(done: &PinReport) -> Result<(), Failure> {
    let request = done.pull_request.as_ref();
    let number = request.map(|request| request.number.to_string());
    let url = request.map(|request| request.url.clone());
    let changed = if done.changes.is_empty() {
        "false"
    } else {
        "true"
    };
    set_output("changed", changed)?;
    // Steps that follow act on what was done, not on what would be.
    let action = match done.preview {
        Some(_) => PinAction::Nothing,
        None => done.action,
    };
    set_output("action", word(action))?;
    set_output("pull-request-number", &number.unwrap_or_default())?;
    set_output("pull-request-url", &url.unwrap_or_default())
}

fn word(action: PinAction) -> &'static str {
    match action {
        PinAction::Created => "created",
        PinAction::Updated => "updated",
        PinAction::Unchanged => "unchanged",
        PinAction::Superseded => "superseded",
        PinAction::Blocked => "blocked",
        _ => "nothing",
    }
}

/// What became of the pull request, in a few words.
pub(super) fn told(done: &PinReport) -> String {
    let request = |what: &str| match &done.pull_request {
        Some(request) => format!("pull request #{} {what}", request.number),
        None => format!("a pull request {what}"),
    };
    match done.action {
        PinAction::Created if done.preview.is_some() => request("would be opened"),
        PinAction::Updated if done.preview.is_some() => request("would be brought up to date"),
        PinAction::Created => request("opened"),
        PinAction::Updated => request("brought up to date"),
        PinAction::Unchanged => request("has the same pins already"),
        PinAction::Superseded => request("is for a newer commit"),
        PinAction::Blocked => request("with the same pins was closed by a person"),
        _ => format!("`{}` has every pin", done.base),
    }
}

fn show(done: &PinReport) -> String {
    let mut text = changes(&done.changes);
    match &done.pull_request {
        Some(request) => text.push_str(&format!("{}: {}\n", told(done), request.url)),
        None if done.action == PinAction::Created => text.push_str(&format!("{}\n", told(done))),
        None => {}
    }
    if let Some(preview) = &done.preview {
        text.push_str(&would(preview, done));
    }
    let closed = match done.preview {
        Some(_) => "would be closed",
        None => "closed",
    };
    for number in &done.closed {
        text.push_str(&format!("pull request #{number} {closed}\n"));
    }
    let preview = done.preview.as_ref();
    // What only touches the hidden part of a text is nothing to read.
    let request = preview.filter(|preview| preview.title.is_some());
    if let Some(body) = request.and_then(|preview| preview.body.as_ref()) {
        text.push_str(&format!("\n{}\n", body.trim_end()));
    }
    text
}

/// What a proposal would write, line by line, but for the text of the pull request.
fn would(preview: &PinPreview, done: &PinReport) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{name}: {value}")));
    };
    let list = |all: &[String]| (!all.is_empty()).then(|| all.join(", "));
    let branch = preview.branch.as_ref();
    line(
        "branch",
        branch.map(|branch| format!("{branch} → {}", done.base)),
    );
    line("title", preview.title.clone());
    line("draft", preview.draft.then(|| "yes".to_owned()));
    line("labels", list(&preview.labels));
    line("reviewers", list(&preview.reviewers));
    line("team reviewers", list(&preview.team_reviewers));
    let method = preview.auto_merge.map(|method| match method {
        MergeMethod::Merge => "merge",
        MergeMethod::Squash => "squash",
        MergeMethod::Rebase => "rebase",
    });
    line("auto-merge", method.map(str::to_owned));
    line("workflow", preview.workflow.clone());
    line("deleted branches", list(&preview.deleted_branches));
    lines.iter().map(|line| format!("  {line}\n")).collect()
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
                change.why.to_string(),
                change.file.display().to_string(),
            ]
        })
        .collect();
    table(&["processor", "pin", "why", "file"], &rows)
}
