use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use process::Command;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::failures::process_failure;
use crate::exit::Exit;
use crate::ui::Failure;

/// What `branch` of `origin` holds at `commit`, in a folder of its own. The clone at `repo` is only read,
/// but for what a fetch adds to it.
pub(super) async fn of_branch(
    repo: &Path,
    branch: &str,
    commit: &str,
    cancel: &CancellationToken,
) -> Result<TempDir, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("pipeline-tree-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| Failure::new(Exit::Unexpected, error))?;
    let git = || {
        Command::new("git")
            .current_dir(repo)
            .env("GIT_TERMINAL_PROMPT", "0")
            .timeout(Duration::from_secs(600))
    };
    let archive = folder.path().join("tree.tar");
    let refspec = format!("refs/heads/{branch}");
    git()
        .args([
            "fetch",
            "--quiet",
            "--no-write-fetch-head",
            "--no-tags",
            "origin",
        ])
        .arg(format!("+{refspec}:refs/remotes/origin/{branch}"))
        .run(cancel)
        .await
        .map_err(|error| process_failure(error, Exit::Input))
        .map_err(|failure| {
            let hint = failure.hint.clone().unwrap_or_else(|| {
                "give a clone whose `origin` can be read with `git fetch`; in a workflow that is \
                 what actions/checkout leaves"
                    .to_owned()
            });
            failure.with_hint(Some(hint))
        })?;
    git()
        .args(["archive", "--format=tar", "-o"])
        .arg(&archive)
        .arg(commit)
        .run(cancel)
        .await
        .map_err(|error| process_failure(error, Exit::Input))?;
    Command::new("tar")
        .arg("-xf")
        .arg(&archive)
        .arg("-C")
        .arg(folder.path())
        .run(cancel)
        .await
        .map_err(|error| process_failure(error, Exit::Unexpected))?;
    std::fs::remove_file(&archive).map_err(|error| Failure::new(Exit::Unexpected, error))?;
    Ok(folder)
}
