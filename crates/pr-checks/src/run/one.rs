use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use process::{Command, ProcessError, Stream};
use tokio_util::sync::CancellationToken;

use super::verdict::{self, Exit};
use crate::coverage::CoverageReport;
use crate::finding::Findings;
use crate::order::{REPORT, writes_report};
use crate::place::Place;
use crate::source::{LARGEST, Printed, Report, Sources};
use crate::text::plain;
use crate::{Changes, Check, CheckName, Finding, Parser, Planned, Verdict};

const LONGEST_LINE: usize = 2000;

/// What all checks of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    /// Without links.
    pub(super) root: &'a Path,
    pub(super) scratch: &'a Path,
    pub(super) changes: Option<&'a Changes>,
    pub(super) cancel: &'a CancellationToken,
}

/// How a check ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) verdict: Verdict,
    pub(super) why: String,
    pub(super) hint: Option<String>,
    pub(super) seconds: f64,
    pub(super) findings: Vec<Finding>,
    pub(super) left_out: usize,
    pub(super) detail: Option<String>,
    pub(super) coverage: Option<CoverageReport>,
}

impl Ended {
    pub(super) fn new(verdict: Verdict, why: impl Into<String>) -> Self {
        Self {
            verdict,
            why: why.into(),
            hint: None,
            seconds: 0.0,
            findings: Vec::new(),
            left_out: 0,
            detail: None,
            coverage: None,
        }
    }
}

/// Tells how a check ended.
pub(super) fn tell(name: &CheckName, end: &Ended) {
    let why = &end.why;
    match end.verdict.is_good() {
        true => {
            tracing::info!(target: "pipeline::progress", stage = "checks", item = %name, status = "item-done", "{why}");
        }
        false => {
            tracing::info!(target: "pipeline::progress", stage = "checks", item = %name, status = "item-failed", "{why}");
        }
    }
}

/// Runs a check and reads what it left behind.
pub(super) async fn run(planned: &Planned, around: &Surroundings<'_>) -> Ended {
    let check = &planned.check;
    tracing::info!(target: "pipeline::progress", stage = "checks", item = %check.name, status = "item-start", "started");
    let started = Instant::now();
    let mut end = judged(check, around).await;
    end.seconds = started.elapsed().as_secs_f64();
    tell(&check.name, &end);
    end
}

async fn judged(check: &Check, around: &Surroundings<'_>) -> Ended {
    let folder = around.root.join(&check.directory);
    // A link in the repository may lead anywhere.
    if !folder
        .canonicalize()
        .is_ok_and(|real| real.starts_with(around.root) && real.is_dir())
    {
        let why = format!(
            "there is no folder `{}` in the repository",
            check.directory.display()
        );
        return Ended::new(Verdict::Broken, why);
    }
    let scratch =
        writes_report(check).then(|| around.scratch.join(format!("{}.report", check.name)));
    let reports = check.parser.reports().into_iter();
    let reports = reports
        .map(|named| Report::before(&folder, named))
        .collect();
    let printed = Arc::new(Mutex::new(Printed::default()));
    let exit = exit(command(check, folder, scratch.as_deref(), &printed), around).await;
    let exit = match exit {
        Ok(exit) => exit,
        Err(error) => return verdict::not_run(check, &error, &taken(&printed)),
    };
    let sources = Sources {
        printed: taken(&printed),
        reports,
        scratch,
        root: around.root.to_path_buf(),
        changes: around.changes.cloned(),
    };
    let (check, place) = (check.clone(), Place::new(around.root, &check.directory));
    // Files of many megabytes take their time, and must not hold up the other checks.
    let read = tokio::task::spawn_blocking(move || {
        let mut findings = Findings::new(&check.name, &place);
        let read = check.parser.read(&sources, &mut findings);
        let measures = matches!(check.parser, Parser::Coverage { .. });
        verdict::of(exit, read, measures, findings, &sources.printed)
    });
    read.await
        .unwrap_or_else(|_| Ended::new(Verdict::Broken, "reading its output failed unexpectedly"))
}

async fn exit(command: Command, around: &Surroundings<'_>) -> Result<Exit, ProcessError> {
    match command.run(around.cancel).await {
        Ok(_) => Ok(Exit::Success),
        Err(ProcessError::Failed {
            code: Some(code), ..
        }) => Ok(Exit::Code(code)),
        Err(error) => Err(error),
    }
}

fn command(
    check: &Check,
    folder: PathBuf,
    scratch: Option<&Path>,
    printed: &Arc<Mutex<Printed>>,
) -> Command {
    let scratch = scratch.map(|path| path.to_string_lossy().into_owned());
    let mut words = check.command.iter().map(|word| match &scratch {
        Some(scratch) => word.replace(REPORT, scratch),
        None => word.clone(),
    });
    let mut command = Command::new(words.next().unwrap_or_default())
        .args(words)
        .current_dir(folder)
        .timeout(Duration::from_secs(check.timeout_seconds))
        .longest_line(LARGEST)
        // What is read by a program, and shown without a terminal, needs no colours.
        .env("NO_COLOR", "1")
        .env_remove("FORCE_COLOR")
        .env_remove("CLICOLOR_FORCE");
    for (name, value) in &check.env {
        command = command.env(name, value);
    }
    let (printed, name) = (Arc::clone(printed), check.name.clone());
    let shows_output = check.parser.leaves_output();
    command.on_line(move |stream, line| {
        if shows_output || stream == Stream::Stderr {
            let line = plain(line, LONGEST_LINE);
            tracing::debug!(target: "pipeline::log", item = %name, "{line}");
        }
        if let Ok(mut printed) = printed.lock() {
            printed.line(stream == Stream::Stdout, line);
        }
    })
}

fn taken(printed: &Mutex<Printed>) -> Printed {
    printed
        .lock()
        .map(|mut printed| std::mem::take(&mut *printed))
        .unwrap_or_default()
}
