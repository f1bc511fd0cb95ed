//! `cargo xtask bench`: measures against baselines in the same run, and reports.
//!
//! A measurement is the median of several runs, ours and the baseline taking turns, so that a
//! busy moment of the machine meets both. The exit code does not depend on the targets.

mod measure;
mod row;
mod sample;
mod skeleton;

use std::path::Path;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::say;
use crate::tools::Tools;
use crate::workspace;
use row::Row;

/// Every group there is.
const GROUPS: [&str; 1] = ["skeleton"];

/// `cargo xtask bench`.
///
/// # Errors
/// For an unknown group, and when something cannot be built or measured.
pub(crate) async fn command(
    groups: &[String],
    json: Option<&Path>,
    no_install: bool,
    cancel: &CancellationToken,
) -> Result<ExitCode, Error> {
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
        rows.extend(skeleton::rows(&root, &tools, no_install, cancel).await?);
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
