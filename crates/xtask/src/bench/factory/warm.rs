use std::path::Path;

use super::GROUP;
use super::repository::{self, Shape};
use super::scene::Scene;
use crate::bench::files::json;
use crate::bench::measure::{median, seconds};
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::say;

const RUNS: usize = 3;
const SHAPE: Shape = Shape {
    processors: 50,
    shared: 450,
    own: 89,
    others: 0,
    size: 1500,
    works: false,
    seed: 50,
};

/// Build and pin with everything in the cache, against the runbook's way.
///
/// # Errors
/// When a program fails, or does not do what it is measured for.
pub(super) async fn rows(scene: &Scene) -> Result<Vec<Row>, Error> {
    let (ours, theirs) = (scene.path("warm-ours"), scene.path("warm-theirs"));
    for root in [&ours, &theirs] {
        SHAPE.write(root, &scene.cancel).await?;
    }
    say::line("bench: warm, the first builds");
    build_and_pin(scene, &ours, Some(SHAPE.processors)).await?;
    runbook(scene, &theirs, "first").await?;

    let mut nothing = (Vec::new(), Vec::new());
    let mut one = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        say::line(format_args!("bench: warm, run {} of {RUNS}", run + 1));
        nothing.0.push(build_and_pin(scene, &ours, Some(0)).await?);
        nothing
            .1
            .push(runbook(scene, &theirs, &format!("same-{run}")).await?);

        // Not the same text: the second would find what the first has built.
        for (root, whose) in [(&ours, "ours"), (&theirs, "theirs")] {
            let text = format!("# {whose}, run {run}\n");
            repository::change(root, run, &text, &scene.cancel).await?;
        }
        one.0.push(build_and_pin(scene, &ours, Some(1)).await?);
        one.1
            .push(runbook(scene, &theirs, &format!("one-{run}")).await?);
    }
    let row = |name: &str, (ours, theirs): &(Vec<f64>, Vec<f64>), times: f64| {
        Row::new(
            GROUP,
            format!(
                "build and pin, {} processors, {} files, {name}, against the runbook's way",
                SHAPE.processors,
                SHAPE.files(),
            ),
            "s",
            median(ours),
            Some(median(theirs)),
            Target::TimesFaster(times),
        )
    };
    Ok(vec![
        row("one changed", &one, 20.0),
        row("nothing changed", &nothing, 60.0),
    ])
}

/// Our way: the seconds of `build` and `pin`. With `expected`, as many images must have been built.
/// The pins are committed, as when their pull request is merged.
pub(super) async fn build_and_pin(
    scene: &Scene,
    root: &Path,
    expected: Option<usize>,
) -> Result<f64, Error> {
    let report = root.with_extension("build.json");
    let pipeline = || scene.program(&scene.pipeline).current_dir(root);
    let build = pipeline()
        .arg("build")
        .args(scene.factory())
        .arg("--json")
        .arg(&report);
    let pin = pipeline().args(["pin", "--from"]).arg(&report);
    let took = seconds(build, &scene.cancel).await? + seconds(pin, &scene.cancel).await?;

    let report = json(&report)?;
    let built = report["built"].as_array().into_iter().flatten();
    let built = built.filter(|one| one["decision"] == "built").count();
    if expected.is_some_and(|expected| expected != built) {
        let problem = format!("{built} images were built, not {expected:?}");
        return Err(Error::format("what `pipeline build` did", problem));
    }
    repository::commit(root, &scene.cancel).await?;
    Ok(took)
}

/// The runbook's way: the seconds of the script.
pub(super) async fn runbook(scene: &Scene, root: &Path, tag: &str) -> Result<f64, Error> {
    let script = scene
        .script("runbook.py")
        .arg(root)
        .arg(format!("{}/runbook", scene.host()))
        .arg(format!("build-{tag}"));
    let took = seconds(script, &scene.cancel).await?;
    let last = repository::registry_file(root, 0);
    let text = std::fs::read_to_string(&last)
        .map_err(|error| Error::io(format!("read {}", last.display()), error))?;
    if !text.contains(&format!(
        "{}/runbook/bench/tool-00000@sha256:",
        scene.host()
    )) {
        return Err(Error::format("what runbook.py did", "nothing is pinned"));
    }
    repository::commit(root, &scene.cancel).await?;
    Ok(took)
}
