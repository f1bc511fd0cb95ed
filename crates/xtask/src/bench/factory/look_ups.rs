use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::GROUP;
use super::scene::Scene;
use crate::bench::far_registry::FarRegistry;
use crate::bench::measure::median;
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::rehearse::build;
use crate::say;

const RUNS: usize = 3;
const REFERENCES: usize = 500;
/// What it takes to a registry in the same part of the world.
const LATENCY: Duration = Duration::from_millis(20);

/// Many references at a registry that is far away, at once and one after the other.
///
/// # Errors
/// When the program fails or asks more often than it needs to.
pub(super) async fn row(scene: &Scene, root: &Path) -> Result<Row, Error> {
    say::line("bench: building look_up_many");
    let example = ["--release", "--package", "oci", "--example", "look_up_many"];
    let look_up_many = build(root, &example, &scene.cancel).await?;
    let registry = FarRegistry::start(LATENCY).await?;
    let (mut ours, mut sequential) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        say::line(format_args!("bench: look-ups, run {} of {RUNS}", run + 1));
        let command = scene.program(&look_up_many);
        let command = command.args([registry.host(), "team/image-", &REFERENCES.to_string()]);
        let said = command.run(&scene.cancel).await?.stdout_text();
        let said: Said = serde_json::from_str(&said)
            .map_err(|error| Error::format("what look_up_many prints", error))?;
        // Each reference once at once, and once in its turn.
        let asked = registry.asked();
        if (said.found, asked) != (REFERENCES, 2 * REFERENCES) {
            let problem = format!("{} found with {asked} requests", said.found);
            return Err(Error::format("what look_up_many did", problem));
        }
        ours.push(said.concurrent_seconds);
        sequential.push(said.sequential_seconds);
    }
    Ok(Row::new(
        GROUP,
        format!(
            "{REFERENCES} references, {} ms to the registry, against one after the other",
            LATENCY.as_millis()
        ),
        "s",
        median(&ours),
        Some(median(&sequential)),
        Target::TimesFaster(20.0),
    ))
}

/// What the program prints.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Said {
    found: usize,
    concurrent_seconds: f64,
    sequential_seconds: f64,
}
