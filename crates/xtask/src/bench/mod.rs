//! `cargo xtask bench`: measures against baselines in the same run, and reports.
//!
//! A measurement is the median of several runs, ours and the baseline taking turns, so that a
//! busy moment of the machine meets both. The exit code does not depend on the targets.

mod acceptance;
mod board;
mod factory;
mod far_registry;
mod files;
mod measure;
mod modal;
mod python;
mod row;
mod sample;
mod served;
mod skeleton;

use std::path::PathBuf;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::say;
use crate::tools::Tools;
use crate::workspace;
use row::Row;

/// Every group there is.
const GROUPS: [&str; 5] = ["skeleton", "factory", "modal", "acceptance", "board"];

/// What to measure, and where the numbers go.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Groups to run; all of them by default
    #[arg(value_name = "GROUP")]
    groups: Vec<String>,
    /// Also writes the rows to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also writes the groups `factory`, `modal` and `acceptance` to docs/benchmarks, and the pictures of `board`
    /// to docs
    #[arg(long)]
    write_docs: bool,
    /// Only this part of the group `factory`
    #[arg(long, value_enum, value_name = "PART", conflicts_with = "write_docs")]
    only: Option<factory::Part>,
    /// Do not install anything; end with 2 when something is missing
    #[arg(long)]
    no_install: bool,
}

/// `cargo xtask bench`.
///
/// # Errors
/// For an unknown group, and when something cannot be built or measured.
pub(crate) async fn command(
    args: &BenchArgs,
    cancel: &CancellationToken,
) -> Result<ExitCode, Error> {
    let BenchArgs {
        groups,
        json,
        write_docs,
        only,
        no_install,
    } = args;
    if let Some(name) = groups.iter().find(|name| !GROUPS.contains(&name.as_str())) {
        return Err(Error::UnknownGroup {
            name: name.clone(),
            known: GROUPS.to_vec(),
        });
    }
    let wanted = |group: &str| groups.is_empty() || groups.iter().any(|name| name == group);
    let tools = Tools::locate()?;
    let root = workspace::root()?;
    let mut rows: Vec<Row> = Vec::new();
    if wanted("skeleton") {
        rows.extend(skeleton::rows(&root, &tools, *no_install, cancel).await?);
    }
    if wanted("factory") {
        let measured = factory::rows(&root, &tools, *no_install, *write_docs, *only, cancel);
        rows.extend(measured.await?);
    }
    if wanted("modal") {
        let measured = modal::rows(&root, &tools, *no_install, *write_docs, cancel);
        rows.extend(measured.await?);
    }
    if wanted("board") {
        rows.extend(board::rows(&root, &tools, *no_install, *write_docs, cancel).await?);
    }
    if wanted("acceptance") {
        let measured = acceptance::rows(&root, &tools, *no_install, *write_docs, cancel);
        rows.extend(measured.await?);
    }
    say::data(row::table(&rows));
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&rows)
            .map_err(|error| Error::format("the rows", error))?;
        std::fs::write(file, text + "\n")
            .map_err(|error| Error::io(format!("write {}", file.display()), error))?;
    }
    Ok(ExitCode::SUCCESS)
}
