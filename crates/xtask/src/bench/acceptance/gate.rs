use std::path::Path;
use std::time::Duration;

use process::Command;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::GROUP;
use crate::bench::measure::median;
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::rehearse::build;
use crate::say;

const RUNS: usize = 3;
const IMAGES: usize = 1000;
/// What it takes to a registry in the same part of the world.
const LATENCY: Duration = Duration::from_millis(20);
const MOST_SECONDS: f64 = 5.0;

/// What a gate asks of many images with four signed receipts each, at once and one after the other.
///
/// # Errors
/// When the program fails or asks more often than once an image.
pub(super) async fn row(root: &Path, cancel: &CancellationToken) -> Result<Row, Error> {
    say::line("bench: building judge_many");
    let example = ["--release", "--package", "receipts"];
    let example = [&example[..], &["--example", "judge_many"]].concat();
    let judge_many = build(root, &example, cancel).await?;
    let (mut ours, mut in_turn) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        say::line(format_args!("bench: gates, run {} of {RUNS}", run + 1));
        let args = [IMAGES.to_string(), LATENCY.as_millis().to_string()];
        let said = Command::new(&judge_many).args(args).run(cancel).await?;
        let said: Said = serde_json::from_str(&said.stdout_text())
            .map_err(|error| Error::format("what judge_many prints", error))?;
        if said.requests != IMAGES {
            let problem = format!("{} requests for {IMAGES} images", said.requests);
            return Err(Error::format("what judge_many did", problem));
        }
        ours.push(said.at_once_seconds);
        in_turn.push(said.in_turn_seconds);
    }
    Ok(Row::new(
        GROUP,
        format!(
            "gate for {IMAGES} images with 4 signed receipts, {} ms to the registry, against one \
             after the other",
            LATENCY.as_millis()
        ),
        "s",
        median(&ours),
        Some(median(&in_turn)),
        Target::AtMost(MOST_SECONDS),
    ))
}

/// What the program prints.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Said {
    requests: usize,
    at_once_seconds: f64,
    in_turn_seconds: f64,
}
