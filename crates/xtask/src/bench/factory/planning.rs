use std::path::Path;

use super::GROUP;
use super::repository::{Shape, commit};
use super::scene::{IMAGES, Measured, Scene};
use crate::bench::files::write;
use crate::bench::measure::median;
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::say;

const RUNS: usize = 7;
const SHAPE: Shape = Shape {
    processors: 1000,
    shared: 200,
    own: 17,
    others: 800,
    size: 55_600,
    works: false,
    seed: 1000,
};

/// `plan` of a big and clean repository, alone and with the look-ups at a registry.
///
/// # Errors
/// When a program fails.
pub(super) async fn rows(scene: &Scene) -> Result<Vec<Row>, Error> {
    let root = scene.path("planning");
    say::line("bench: plan, writing 1 GB");
    SHAPE.write(&root, &scene.cancel).await?;
    let plan = root.with_extension("plan.json");
    let command = scene
        .program(&scene.pipeline)
        .current_dir(&root)
        .arg("plan");
    let command = command.arg("--offline").args(scene.factory());
    command.arg("--json").arg(&plan).run(&scene.cancel).await?;
    let seed = scene.script("seed.py").arg(&plan);
    seed.run(&scene.cancel).await?;

    let with_look_ups: Vec<&str> = ["plan", "--json", "-"]
        .into_iter()
        .chain(scene.factory())
        .collect();
    let (mut offline, mut listings, mut online) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        say::line(format_args!("bench: plan, run {} of {RUNS}", run + 1));
        offline.push(plan_offline(scene, &root).await?);
        listings.push(git_listing(scene, &root).await?);
        online.push(
            scene
                .measure(&scene.pipeline, &with_look_ups, &root)
                .await?,
        );
    }
    let changed = library_changed(scene, &root, &plan, &with_look_ups).await?;
    tokio::fs::remove_dir_all(&root)
        .await
        .map_err(|error| Error::io(format!("remove {}", root.display()), error))?;

    let what = format!(
        "{} processors, {} files, 1 GB",
        SHAPE.processors,
        SHAPE.files()
    );
    let all = offline.iter().chain(&online);
    let peak = all.map(|one| one.megabytes).fold(0.0, f64::max);
    Ok(vec![
        Row::new(
            GROUP,
            format!("plan --offline, {what}, against git ls-files -s"),
            "ms",
            median_ms(&offline),
            Some(median_ms(&listings)),
            Target::TimesBaseline(3.0),
        ),
        Row::new(
            GROUP,
            format!("plan, {what}, look-ups at a local registry"),
            "ms",
            median_ms(&online),
            None,
            Target::AtMost(1000.0),
        ),
        Row::new(
            GROUP,
            format!("plan, {what}, peak memory"),
            "MB",
            peak,
            None,
            Target::AtMost(100.0),
        ),
        Row::new(
            GROUP,
            format!("plan, {what}, a shared library changed, records at a local registry"),
            "ms",
            median_ms(&changed),
            None,
            Target::AtMost(5000.0),
        ),
    ])
}

/// `plan` when every processor is pinned and must be built, and the record beside each pin says why.
async fn library_changed(
    scene: &Scene,
    root: &Path,
    plan: &Path,
    args: &[&str],
) -> Result<Vec<Measured>, Error> {
    say::line("bench: plan, pinning all and changing their library");
    let seed = scene.script("seed.py").arg(plan).arg(root);
    seed.run(&scene.cancel).await?;
    let library = root.join("code/libs/runtime_common/part_00/m_0000.py");
    write(&library, "changed = True\n")?;
    commit(root, &scene.cancel).await?;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(scene.measure(&scene.pipeline, args, root).await?);
    }
    Ok(runs)
}

pub(super) fn median_ms(all: &[Measured]) -> f64 {
    let times: Vec<f64> = all.iter().map(|one| one.seconds * 1000.0).collect();
    median(&times)
}

pub(super) async fn plan_offline(scene: &Scene, root: &Path) -> Result<Measured, Error> {
    let args = ["plan", "--offline", "--image-prefix", IMAGES, "--json", "-"];
    scene.measure(&scene.pipeline, &args, root).await
}

pub(super) async fn git_listing(scene: &Scene, root: &Path) -> Result<Measured, Error> {
    scene.measure("git", &["ls-files", "-s"], root).await
}
