//! The page of a board with many processors, in a real browser.

use std::path::Path;

use process::Command;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::measure::median;
use super::row::{Row, Target};
use crate::error::Error;
use crate::rehearse::build;
use crate::say;
use crate::setup::{self, Purpose};
use crate::tools::Tools;

const GROUP: &str = "board";
const PROCESSORS: usize = 1_000;
/// As many fill a picture.
const PICTURED: usize = 24;
const RUNS: usize = 5;
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// The group's measurements; with `write_docs`, pictures of the page go into `docs` as well.
///
/// # Errors
/// When something cannot be built, installed or run.
pub(super) async fn rows(
    root: &Path,
    tools: &Tools,
    no_install: bool,
    write_docs: bool,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, Error> {
    let ready = setup::ensure(tools, Purpose::Test, no_install, cancel).await?;
    ready.say_left_running();
    say::line("bench: building board_page");
    let example = [
        "--release",
        "--package",
        "promotion",
        "--example",
        "board_page",
    ];
    let program = build(root, &example, cancel).await?;
    let mut said = Vec::new();
    for run in 0..RUNS {
        say::line(format_args!("bench: board, run {} of {RUNS}", run + 1));
        let command = Command::new(&program).arg(PROCESSORS.to_string());
        let text = command.run(cancel).await?.stdout_text();
        let one: Said = serde_json::from_str(&text)
            .map_err(|error| Error::format("what board_page prints", error))?;
        said.push(one);
    }
    if write_docs {
        let pictures = Command::new(&program).arg(PICTURED.to_string());
        pictures.arg(root.join("docs")).run(cancel).await?;
    }
    let of = |value: fn(&Said) -> f64| median(&said.iter().map(value).collect::<Vec<_>>());
    let row = |name: &str, unit, ours, target| {
        let name = format!("{name}, {PROCESSORS} processors in 3 environments");
        Row::new(GROUP, name, unit, ours, None, Target::AtMost(target))
    };
    Ok(vec![
        row("page", "MB", of(|it| it.bytes / MEGABYTE), 2.0),
        row("first paint", "s", of(|it| it.first_paint_ms / 1e3), 1.0),
        row("first rows", "s", of(|it| it.first_rows_ms / 1e3), 1.0),
        row("every row", "s", of(|it| it.all_rows_ms / 1e3), 3.0),
    ])
}

/// What the program prints.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Said {
    bytes: f64,
    first_paint_ms: f64,
    first_rows_ms: f64,
    all_rows_ms: f64,
}
