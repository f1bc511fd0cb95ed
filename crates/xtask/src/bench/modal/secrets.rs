use std::path::Path;
use std::time::Instant;

use super::GROUP;
use super::scene::{ENVIRONMENT, Plane, Scene, count, expect, secret};
use crate::bench::files::write;
use crate::bench::measure::{median, seconds};
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::say;

const RUNS: usize = 3;
const SECRETS: usize = 20;

/// What the measurement should reach.
#[derive(Clone, Copy)]
pub(super) struct Targets {
    /// How many times faster than one `modal secret create` after the other.
    pub(super) commands: f64,
    /// How many times faster than one Python process.
    pub(super) process: f64,
}

/// Writes changed secrets: with `pipeline secrets`, with one `modal secret create` each, and with
/// one Python process.
///
/// # Errors
/// When a program fails, or does not do what it is measured for.
pub(super) async fn rows(
    scene: &Scene,
    plane: &Plane<'_>,
    targets: Targets,
) -> Result<Vec<Row>, Error> {
    let root = plane.repository(SECRETS)?;
    let args = ["secrets", "--env", ENVIRONMENT];
    let (mut ours, mut commands, mut processes) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        let distance = plane.distance();
        say::line(format_args!(
            "bench: secrets at {distance}, run {} of {RUNS}",
            run + 1
        ));
        // As ours takes no time, it is measured more often.
        for part in 0..RUNS {
            let values = plane.values(SECRETS, &format!("{run}-{part}"))?;
            let (took, report) = plane.pipeline(&root, &args, &values).await?;
            let written = count(&report, "/secrets", "/outcome", "written");
            expect("the secrets that were written", written, SECRETS)?;
            ours.push(took);
        }
        commands.push(with_commands(scene, plane, run).await?);
        let values = plane.values(SECRETS, "python")?;
        let script = plane.script().arg(ENVIRONMENT).arg(values);
        processes.push(seconds(script, &scene.cancel).await?);
    }
    let row = |what: &str, baseline: &[f64], times| {
        let distance = plane.distance();
        let name = format!("{SECRETS} secrets, {distance} to Modal, against {what}");
        let target = Target::TimesFaster(times);
        Row::new(
            GROUP,
            name,
            "s",
            median(&ours),
            Some(median(baseline)),
            target,
        )
    };
    Ok(vec![
        row(
            "one `modal secret create` each",
            &commands,
            targets.commands,
        ),
        row("one Python process", &processes, targets.process),
    ])
}

async fn with_commands(scene: &Scene, plane: &Plane<'_>, run: usize) -> Result<f64, Error> {
    let file = |index| scene.path(&format!("secret-{index}.json"));
    for index in 0..SECRETS {
        let text = format!("{{\"{}\": \"{run}-{index}\"}}", secret(index));
        write(&file(index), text)?;
    }
    let began = Instant::now();
    for index in 0..SECRETS {
        let command = create(plane, &secret(index), &file(index));
        command.run(&scene.cancel).await?;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn create(plane: &Plane<'_>, name: &str, file: &Path) -> process::Command {
    let command = plane
        .modal()
        .args(["secret", "create", name, "--from-json"]);
    command.arg(file).args(["--force", "--env", ENVIRONMENT])
}
