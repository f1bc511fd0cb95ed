use std::path::Path;
use std::time::Duration;

use process::Command;
use tokio_util::sync::CancellationToken;

use super::context::set;
use super::failures::process_failure;
use crate::exit::Exit;
use crate::ui::Failure;

/// The commit that is worked on: what the workflow runs for, or what is checked out.
pub(super) async fn current(root: &Path, cancel: &CancellationToken) -> Result<String, Failure> {
    if let Some(commit) = set("GITHUB_SHA") {
        return Ok(commit);
    }
    let command = Command::new("git")
        .args(["rev-parse", "--verify", "HEAD"])
        .current_dir(root)
        .timeout(Duration::from_secs(60));
    match command.run(cancel).await {
        Ok(output) => Ok(output.stdout_text().trim().to_owned()),
        Err(error) => Err(process_failure(error, Exit::Input)),
    }
}
