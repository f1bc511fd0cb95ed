use std::path::Path;

use super::GROUP;
use super::scene::{Plane, Scene, count, expect};
use crate::bench::measure::median;
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::say;

const RUNS: usize = 3;
const PROCESSORS: usize = 10;

/// First deploys side by side and one after the other, and then the smokes of all and of one.
///
/// # Errors
/// When a program fails, or does not do what it is measured for.
pub(super) async fn rows(scene: &Scene, plane: &Plane<'_>) -> Result<Vec<Row>, Error> {
    let root = plane.repository(PROCESSORS)?;
    let values = plane.values(PROCESSORS, "deploy")?;
    let (mut side_by_side, mut in_turn) = (Vec::new(), Vec::new());
    let (mut all, mut one) = (Vec::new(), Vec::new());
    let distance = plane.distance();
    for run in 0..RUNS {
        say::line(format_args!(
            "bench: deploys at {distance}, run {} of {RUNS}",
            run + 1
        ));
        // What was deployed is deployed no more: each time it is another environment.
        let [two, single] = ["two", "one"].map(|name| format!("{name}-{run}"));
        for name in [&two, &single] {
            let create = plane.modal().args(["environment", "create", name]);
            create.run(&scene.cancel).await?;
        }
        side_by_side.push(deploy(plane, &root, &values, &two, "2").await?);
        in_turn.push(deploy(plane, &root, &values, &single, "1").await?);
        all.push(smoke(plane, &root, &values, &two, None).await?);
        one.push(smoke(plane, &root, &values, &single, Some("bench/tool-00000@1")).await?);
    }
    let row = |name: String, ours: &[f64], baseline: &[f64], times| {
        let target = Target::TimesBaseline(times);
        Row::new(
            GROUP,
            name,
            "s",
            median(ours),
            Some(median(baseline)),
            target,
        )
    };
    let to = format!("{distance} to Modal, against");
    Ok(vec![
        row(
            format!("{PROCESSORS} deploys, 2 at once, {to} one after the other"),
            &side_by_side,
            &in_turn,
            0.6,
        ),
        row(format!("{PROCESSORS} smokes, {to} one"), &all, &one, 1.3),
    ])
}

async fn deploy(
    plane: &Plane<'_>,
    root: &Path,
    values: &Path,
    environment: &str,
    jobs: &str,
) -> Result<f64, Error> {
    let args = ["deploy", "--env", environment, "--no-smoke", "--jobs", jobs];
    let (took, report) = plane.pipeline(root, &args, values).await?;
    let deployed = count(&report, "/apps", "/deployed", "deployed");
    expect("the apps that were deployed", deployed, PROCESSORS)?;
    Ok(took)
}

/// A run that finds everything deployed and nothing smoked.
async fn smoke(
    plane: &Plane<'_>,
    root: &Path,
    values: &Path,
    environment: &str,
    only: Option<&str>,
) -> Result<f64, Error> {
    let mut args = vec!["deploy", "--env", environment];
    args.extend(only.map(|_| "--processors"));
    args.extend(only);
    let (took, report) = plane.pipeline(root, &args, values).await?;
    let wanted = only.map_or(PROCESSORS, |_| 1);
    let current = count(&report, "/apps", "/deployed", "current");
    expect("the apps that were left alone", current, wanted)?;
    let passed = count(&report, "/apps", "/smoke/verdict", "passed");
    expect("the smokes that passed", passed, wanted)?;
    Ok(took)
}
