use std::os::unix::fs::PermissionsExt as _;

use super::GROUP;
use super::scene::{ENVIRONMENT, Plane, Scene, count, expect};
use crate::bench::files::write;
use crate::bench::measure::{median, seconds};
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::say;

const RUNS: usize = 5;
const PROCESSORS: usize = 100;
const SECONDS: f64 = 2.0;
/// More than there are cores: half of a first deploy is waiting. It is not measured.
const JOBS: &str = "6";

/// A run that finds all of many processors live as they should be, against a `modal deploy` of
/// each, which finds the same.
///
/// # Errors
/// When a program fails, when anything is deployed, and when Python is started.
pub(super) async fn row(scene: &Scene, plane: &Plane<'_>) -> Result<Row, Error> {
    let distance = plane.distance();
    say::line(format_args!(
        "bench: {PROCESSORS} first deploys at {distance}"
    ));
    let root = plane.repository(PROCESSORS)?;
    let values = plane.values(PROCESSORS, "idle")?;
    let args = ["deploy", "--env", ENVIRONMENT];
    let first = [&args[..], &["--jobs", JOBS]].concat();
    let (_, report) = plane.pipeline(&root, &first, &values).await?;
    let passed = count(&report, "/apps", "/smoke/verdict", "passed");
    expect("the smokes that passed", passed, PROCESSORS)?;

    let (trap, started) = (scene.path("no-python"), scene.path("no-python.started"));
    let text = format!("#!/bin/sh\n: > '{}'\nexit 1\n", started.display());
    write(&trap, text)?;
    std::fs::set_permissions(&trap, std::fs::Permissions::from_mode(0o700))
        .map_err(|error| Error::io(format!("make a program of {}", trap.display()), error))?;
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        say::line(format_args!(
            "bench: nothing to do, run {} of {RUNS}",
            run + 1
        ));
        let no_python = |command: process::Command| {
            let command = command.env("PIPELINE_MODAL", &trap);
            command.env("PIPELINE_PYTHON", &trap)
        };
        let idle = plane.pipeline_with(&root, &args, &values, no_python);
        let (took, report) = idle.await?;
        let current = count(&report, "/apps", "/deployed", "current");
        expect("the apps that were left alone", current, PROCESSORS)?;
        if started.exists() {
            return Err(Error::format(
                "a run with nothing to do",
                "it started Python",
            ));
        }
        ours.push(took);
        let again = plane.deploy_by_hand(&root, run);
        baseline.push(seconds(again, &scene.cancel).await?);
    }
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let each = median(&baseline) * PROCESSORS as f64;
    Ok(Row::new(
        GROUP,
        format!(
            "nothing to do for {PROCESSORS} processors, {distance} to Modal, against one `modal \
             deploy` each ({RUNS} × {})",
            PROCESSORS / RUNS
        ),
        "s",
        median(&ours),
        Some(each),
        Target::AtMost(SECONDS),
    ))
}
