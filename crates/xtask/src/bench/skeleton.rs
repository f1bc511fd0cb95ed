use std::path::Path;

use process::Command;
use tokio_util::sync::CancellationToken;

use super::measure::{median, seconds};
use super::python::bench_python;
use super::row::{Row, Target};
use super::sample;
use crate::error::Error;
use crate::rehearse::build;
use crate::say;
use crate::setup::{self, Purpose};
use crate::tools::Tools;

const GROUP: &str = "skeleton";
const FILES: usize = 10_000;
/// PyYAML gets every so many-eth file: it takes minutes for all, and each costs the same.
const SHARE: usize = 20;
const PIN_RUNS: usize = 5;
const START_RUNS: usize = 20;
const REHEARSALS: usize = 3;

/// The group's measurements.
///
/// # Errors
/// When something cannot be built, installed or run.
pub(crate) async fn rows(
    root: &Path,
    tools: &Tools,
    no_install: bool,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, Error> {
    let mut rows = pins(root, tools, no_install, cancel).await?;
    say::line("bench: building pipeline");
    let package = ["--release", "--package", "actions", "--bin", "pipeline"];
    let pipeline = build(root, &package, cancel).await?;
    rows.extend(program(&pipeline, cancel).await?);
    rows.push(again(&pipeline, root, tools, no_install, cancel).await?);
    Ok(rows)
}

/// Setting the pins of many files, against copying them and against PyYAML.
async fn pins(
    root: &Path,
    tools: &Tools,
    no_install: bool,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, Error> {
    say::line("bench: building pin_many");
    let package = ["--release", "--package", "registry-model"];
    let pin_many = build(
        root,
        &[&package[..], &["--example", "pin_many"]].concat(),
        cancel,
    )
    .await?;
    let python = bench_python(tools, no_install, cancel).await?;

    let scratch = tempfile::Builder::new()
        .prefix("pipeline-bench-")
        .tempdir()
        .map_err(|error| Error::io("make a folder for the bench", error))?;
    let (all, share) = (scratch.path().join("all"), scratch.path().join("share"));
    sample::write(&all, FILES)?;
    sample::write(&share, FILES / SHARE)?;
    let script = scratch.path().join("pyyaml.py");
    std::fs::write(&script, include_str!("pyyaml.py"))
        .map_err(|error| Error::io(format!("write {}", script.display()), error))?;

    let (mut copies, mut ours, mut yaml) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..PIN_RUNS {
        say::line(format_args!("bench: pins, run {} of {PIN_RUNS}", run + 1));
        let digest = format!("sha256:{:064x}", 0xfeed_0000 + run);
        let work = scratch.path().join(format!("work-{run}"));
        let copy = Command::new("cp").arg("-r").args([&all, &work]);
        copies.push(seconds(copy, cancel).await?);
        let pin = Command::new(&pin_many).arg(&work).arg(&digest);
        ours.push(seconds(pin, cancel).await?);
        expect_pinned(&work, &digest, FILES)?;
        let loop_ = Command::new(&python).args([&script, &share]).arg(&digest);
        yaml.push(seconds(loop_, cancel).await?);
    }
    let ours = median(&ours);
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let yaml = median(&yaml) * SHARE as f64;
    Ok(vec![
        Row::new(
            GROUP,
            format!("pin set, {FILES} files, against cp -r"),
            "s",
            ours,
            Some(median(&copies)),
            Target::TimesBaseline(3.0),
        ),
        Row::new(
            GROUP,
            format!(
                "pin set, {FILES} files, against PyYAML ({} files × {SHARE})",
                FILES / SHARE
            ),
            "s",
            ours,
            Some(yaml),
            Target::TimesFaster(50.0),
        ),
    ])
}

/// A fast run that did not do the work is no measurement.
fn expect_pinned(folder: &Path, digest: &str, files: usize) -> Result<(), Error> {
    let mut pinned = 0;
    let read = |path: &Path| {
        std::fs::read_dir(path)
            .map_err(|error| Error::io(format!("read {}", path.display()), error))
    };
    for group in read(folder)?.flatten() {
        for file in read(&group.path())?.flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            pinned += usize::from(text.contains(digest));
        }
    }
    if pinned == files {
        return Ok(());
    }
    let problem = format!("{pinned} of {files} files are pinned");
    Err(Error::format("what pin_many did", problem))
}

/// The start and the size of the released program.
async fn program(pipeline: &Path, cancel: &CancellationToken) -> Result<Vec<Row>, Error> {
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..START_RUNS {
        let start = Command::new(pipeline).arg("--version");
        ours.push(seconds(start, cancel).await? * 1000.0);
        baseline.push(seconds(Command::new("true"), cancel).await? * 1000.0);
    }
    let size = std::fs::metadata(pipeline)
        .map_err(|error| Error::io(format!("measure {}", pipeline.display()), error))?
        .len();
    #[expect(clippy::cast_precision_loss, reason = "no program has 2^52 bytes")]
    let megabytes = size as f64 / 1e6;
    Ok(vec![
        Row::new(
            GROUP,
            "pipeline --version, against true",
            "ms",
            median(&ours),
            Some(median(&baseline)),
            Target::AtMost(10.0),
        ),
        Row::new(
            GROUP,
            "size of the release binary",
            "MB",
            megabytes,
            None,
            Target::AtMost(20.0),
        ),
    ])
}

/// The second build and pin of a rehearsal, in which nothing has changed. What is measured
/// includes the registry's round trips, which the target leaves out.
async fn again(
    pipeline: &Path,
    root: &Path,
    tools: &Tools,
    no_install: bool,
    cancel: &CancellationToken,
) -> Result<Row, Error> {
    let ready = setup::ensure(tools, Purpose::Rehearse, no_install, cancel).await?;
    let folder = tempfile::tempdir()
        .map_err(|error| Error::io("make a folder for the rehearsal's report", error))?;
    let report = folder.path().join("report.json");
    let mut ours = Vec::new();
    for run in 0..REHEARSALS {
        say::line(format_args!("bench: rehearsal {} of {REHEARSALS}", run + 1));
        let mut rehearsal = Command::new(pipeline)
            .arg("rehearse")
            .arg("--repo")
            .arg(root.join("examples/processors"))
            .arg("--json")
            .arg(&report);
        for (name, value) in tools.environment()? {
            rehearsal = rehearsal.env(name, value);
        }
        rehearsal.run(cancel).await?;
        let text = std::fs::read(&report)
            .map_err(|error| Error::io(format!("read {}", report.display()), error))?;
        let report: serde_json::Value = serde_json::from_slice(&text)
            .map_err(|error| Error::format("the rehearsal's report", error))?;
        let again = report["again"]["seconds"].as_f64();
        ours.push(again.ok_or_else(|| {
            Error::format("the rehearsal's report", "`again.seconds` is missing")
        })?);
    }
    ready.say_left_running();
    Ok(Row::new(
        GROUP,
        "build and pin again, nothing changed, 2 processors",
        "s",
        median(&ours),
        None,
        Target::AtMost(1.0),
    ))
}
