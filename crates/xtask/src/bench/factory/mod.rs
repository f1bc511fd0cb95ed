//! Build and pin against the runbook's way, the engine's floor, and git.

mod chart;
mod cold;
mod docs;
mod growth;
mod look_ups;
mod planning;
mod repository;
mod scene;
mod warm;

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::row::Row;
use crate::error::Error;
use crate::setup::{self, Purpose};
use crate::tools::Tools;
use scene::Scene;

const GROUP: &str = "factory";

/// The group's measurements; with `write_docs`, they go into `docs/benchmarks` as well.
///
/// # Errors
/// When something cannot be built, installed or run.
pub(crate) async fn rows(
    root: &Path,
    tools: &Tools,
    no_install: bool,
    write_docs: bool,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, Error> {
    let ready = setup::ensure(tools, Purpose::Rehearse, no_install, cancel).await?;
    let scene = Scene::set(root, tools, no_install, cancel).await?;
    let measured = measure(&scene, root).await;
    let cleared = scene.clear().await;
    ready.say_left_running();
    let (rows, points) = measured?;
    cleared?;
    if write_docs {
        docs::write_all(root, &rows, &points)?;
    }
    Ok(rows)
}

async fn measure(scene: &Scene, root: &Path) -> Result<(Vec<Row>, Vec<growth::Point>), Error> {
    let mut rows = warm::rows(scene).await?;
    rows.extend(cold::rows(scene).await?);
    rows.extend(planning::rows(scene).await?);
    rows.push(look_ups::row(scene, root).await?);
    let points = growth::points(scene).await?;
    rows.extend(growth::row(&points));
    Ok((rows, points))
}
