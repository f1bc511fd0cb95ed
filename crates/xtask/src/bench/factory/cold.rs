use std::path::Path;

use serde_json::{Value, json};

use super::GROUP;
use super::repository::{self, Shape};
use super::scene::Scene;
use super::warm::{build_and_pin, runbook};
use crate::bench::files::write;
use crate::bench::measure::{median, seconds};
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::say;

const RUNS: usize = 3;
const PROCESSORS: usize = 20;

/// Build with nothing in the cache, against one `bake` of the same images, which is the least that
/// the engine can take, and against the runbook's way.
///
/// # Errors
/// When a program fails.
pub(super) async fn rows(scene: &Scene) -> Result<Vec<Row>, Error> {
    let (mut ours, mut bakes, mut runbooks) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        say::line(format_args!("bench: cold, run {} of {RUNS}", run + 1));
        let root = scene.path(&format!("cold-ours-{run}"));
        unique(&root, scene).await?;
        ours.push(build_and_pin(scene, &root, Some(PROCESSORS)).await?);

        let root = scene.path(&format!("cold-bake-{run}"));
        unique(&root, scene).await?;
        bakes.push(bake(scene, &root, run).await?);

        let root = scene.path(&format!("cold-runbook-{run}"));
        unique(&root, scene).await?;
        runbooks.push(runbook(scene, &root, &format!("cold-{run}")).await?);
    }
    let ours = median(&ours);
    let row = |what: &str, baseline: &[f64], target| {
        let name = format!("build and pin, {PROCESSORS} processors, cold, against {what}");
        Row::new(GROUP, name, "s", ours, Some(median(baseline)), target)
    };
    Ok(vec![
        row("one bake", &bakes, Target::TimesBaseline(1.1)),
        row("the runbook's way", &runbooks, Target::TimesBaseline(1.0)),
    ])
}

/// Processors of which the engine has not seen a layer.
async fn unique(root: &Path, scene: &Scene) -> Result<(), Error> {
    let shape = Shape {
        processors: PROCESSORS,
        shared: 100,
        own: 20,
        others: 0,
        size: 1500,
        works: true,
        seed: uuid::Uuid::new_v4().as_u64_pair().0,
    };
    shape.write(root, &scene.cancel).await
}

/// What somebody who knows `bake` would write by hand.
async fn bake(scene: &Scene, root: &Path, run: usize) -> Result<f64, Error> {
    let target = |index: usize| {
        let target = json!({
            "context": root.join("code"),
            "dockerfile": root.join("code").join(repository::folder(index)).join("Dockerfile"),
            "tags": [format!("{}/bake-{run}/tool-{index:05}:build", scene.host())],
            "platforms": ["linux/amd64"],
        });
        (format!("tool-{index:05}"), target)
    };
    let targets: serde_json::Map<String, Value> = (0..PROCESSORS).map(target).collect();
    let names: Vec<&String> = targets.keys().collect();
    let definition = json!({ "group": { "default": { "targets": names } }, "target": targets });
    let file = root.with_extension("bake.json");
    write(&file, definition.to_string())?;
    let command = scene
        .program("docker")
        .args(["buildx", "bake", "--push", "--progress=quiet"])
        .args(["--provenance=false", "--sbom=false", "--file"])
        .arg(&file)
        .current_dir(root);
    seconds(command, &scene.cancel).await
}
