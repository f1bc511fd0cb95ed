//! Cases, stacks and gates against the same by hand.

mod contract;
mod docs;
mod gate;
mod scene;
mod stack;

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::row::Row;
use crate::error::Error;
use crate::setup::{self, Purpose};
use crate::tools::Tools;
use scene::Scene;

const GROUP: &str = "acceptance";

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
    ready.say_left_running();
    let mut rows = vec![gate::row(root, cancel).await?];
    let scene = Scene::set(root, tools, cancel).await?;
    let measured = measure(&scene).await;
    scene.clear().await?;
    rows.extend(measured?);
    if write_docs {
        docs::write_page(root, &rows)?;
    }
    Ok(rows)
}

async fn measure(scene: &Scene) -> Result<Vec<Row>, Error> {
    let mut rows = contract::rows(scene).await?;
    rows.push(stack::row(scene).await?);
    Ok(rows)
}
