use std::path::Path;
use std::time::Duration;

use process::Command;
use tokio_util::sync::CancellationToken;

use super::attest::{COSIGN_PASSWORD, SIGNING_KEY};
use super::context::set;
use super::failures::process_failure;
use crate::exit::Exit;
use crate::ui::Failure;

/// The commit that is checked out at `root`. Only where git cannot tell it counts what the workflow
/// runs for: a job may check out something else.
pub(super) async fn current(root: &Path, cancel: &CancellationToken) -> Result<String, Failure> {
    let command = Command::new("git")
        .args(["rev-parse", "--verify", "HEAD"])
        .current_dir(root)
        .env_remove(SIGNING_KEY)
        .env_remove(COSIGN_PASSWORD)
        .timeout(Duration::from_secs(60));
    match command.run(cancel).await {
        Ok(output) => Ok(output.stdout_text().trim().to_owned()),
        Err(error) if error.is_cancelled() => Err(process_failure(error, Exit::Input)),
        Err(error) => set("GITHUB_SHA").ok_or_else(|| process_failure(error, Exit::Input)),
    }
}
