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

/// What is measured apart from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// Build and pin with everything in the cache
    Warm,
    /// Build and pin with nothing in the cache
    Cold,
    /// Plans of a big repository
    Plan,
    /// References at a registry that is far away
    LookUps,
    /// Plans of more and more processors
    Growth,
}

/// The group's measurements, or one part of them; with `write_docs`, they go into
/// `docs/benchmarks` as well.
///
/// # Errors
/// When something cannot be built, installed or run.
pub(crate) async fn rows(
    root: &Path,
    tools: &Tools,
    no_install: bool,
    write_docs: bool,
    only: Option<Part>,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, Error> {
    let ready = setup::ensure(tools, Purpose::Rehearse, no_install, cancel).await?;
    let scene = Scene::set(root, tools, no_install, cancel).await?;
    let measured = measure(&scene, root, only).await;
    let cleared = scene.clear().await;
    ready.say_left_running();
    let (rows, points) = measured?;
    cleared?;
    if write_docs {
        docs::write_all(root, &rows, &points)?;
    }
    Ok(rows)
}

async fn measure(
    scene: &Scene,
    root: &Path,
    only: Option<Part>,
) -> Result<(Vec<Row>, Vec<growth::Point>), Error> {
    let wanted = |part| only.is_none_or(|only| only == part);
    let (mut rows, mut points) = (Vec::new(), Vec::new());
    if wanted(Part::Warm) {
        rows.extend(warm::rows(scene).await?);
    }
    if wanted(Part::Cold) {
        rows.extend(cold::rows(scene).await?);
    }
    if wanted(Part::Plan) {
        rows.extend(planning::rows(scene).await?);
    }
    if wanted(Part::LookUps) {
        rows.push(look_ups::row(scene, root).await?);
    }
    if wanted(Part::Growth) {
        points = growth::points(scene).await?;
        rows.extend(growth::row(&points));
    }
    Ok((rows, points))
}
