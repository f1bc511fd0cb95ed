//! Secrets, deploys and smokes against Modal's own command line and Python package.
//!
//! Modal is the embedded control plane, as near as can be and 50 ms away. It answers calls at
//! once, so that what is measured is the way there and back and no container.

mod deploys;
mod docs;
mod idle;
mod scene;
mod secrets;

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::row::Row;
use crate::error::Error;
use crate::setup::{self, Purpose};
use crate::tools::Tools;
use scene::{Plane, Scene};
use secrets::Targets;

const GROUP: &str = "modal";
const NEAR: Duration = Duration::ZERO;
const FAR: Duration = Duration::from_millis(50);

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
    let scene = Scene::set(root, tools, cancel).await?;
    let near = Targets {
        commands: 300.0,
        process: 5.0,
    };
    let far = Targets {
        commands: 40.0,
        process: 5.0,
    };
    let mut rows = Vec::new();
    for (latency, targets) in [(NEAR, near), (FAR, far)] {
        let plane = Plane::start(&scene, latency).await?;
        rows.extend(secrets::rows(&scene, &plane, targets).await?);
        rows.extend(deploys::rows(&scene, &plane).await?);
        // Nearer it is only faster, and the first deploys take their time.
        if latency == FAR {
            rows.push(idle::row(&scene, &plane).await?);
        }
        plane.stop().await;
    }
    if write_docs {
        docs::write_page(root, &rows)?;
    }
    Ok(rows)
}
