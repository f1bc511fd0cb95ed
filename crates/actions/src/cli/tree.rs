use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use process::{Command, ProcessError};
use registry_model::{Entry, Registry};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::context::load_options;
use super::failures::process_failure;
use crate::config::Config;
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
    let refspec = format!("refs/heads/{branch}");
    git(repo)
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
    at(repo, commit, cancel).await
}

/// The commit of a branch as the clone at `repo` knows it: that of `origin`, or else its own.
pub(super) async fn commit_of(
    repo: &Path,
    branch: &str,
    cancel: &CancellationToken,
) -> Result<String, Failure> {
    for place in ["refs/remotes/origin/", "refs/heads/"] {
        match resolve(repo, &format!("{place}{branch}"), cancel).await {
            Ok(Some(commit)) => return Ok(commit),
            Ok(None) => {}
            Err(failure) => return Err(failure),
        }
    }
    let text = format!("find branch `{branch}` in `{}`", repo.display());
    let hint = format!("run `git fetch origin {branch}`; in a workflow, `fetch-depth: 0`");
    Err(Failure::new(Exit::Input, text).with_hint(Some(hint)))
}

/// The commit that git understands under a name; `None` when there is none.
pub(super) async fn resolve(
    repo: &Path,
    name: &str,
    cancel: &CancellationToken,
) -> Result<Option<String>, Failure> {
    let commit = format!("{name}^{{commit}}");
    let asked = git(repo)
        .args(["rev-parse", "--quiet", "--verify"])
        .arg(commit)
        .run(cancel)
        .await;
    match asked {
        Ok(output) => Ok(Some(output.stdout_text().trim().to_owned())),
        Err(ProcessError::Failed { code: Some(1), .. }) => Ok(None),
        Err(error) => Err(process_failure(error, Exit::Input)),
    }
}

/// The last commit that two have in common; `None` when there is none.
pub(super) async fn merge_base(
    repo: &Path,
    one: &str,
    other: &str,
    cancel: &CancellationToken,
) -> Result<Option<String>, Failure> {
    let asked = git(repo).args(["merge-base", one, other]).run(cancel).await;
    match asked {
        Ok(output) => Ok(Some(output.stdout_text().trim().to_owned())),
        Err(ProcessError::Failed { code: Some(1), .. }) => Ok(None),
        Err(error) => Err(process_failure(error, Exit::Input)),
    }
}

pub(super) fn git(repo: &Path) -> Command {
    Command::new("git")
        .current_dir(repo)
        .env("GIT_TERMINAL_PROMPT", "0")
        .timeout(Duration::from_secs(600))
}

/// What the clone at `repo` holds at `commit`, in a folder of its own.
pub(super) async fn at(
    repo: &Path,
    commit: &str,
    cancel: &CancellationToken,
) -> Result<TempDir, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("pipeline-tree-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| Failure::new(Exit::Unexpected, error))?;
    let archive = folder.path().join("tree.tar");
    git(repo)
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

/// The registry entries of the clone at `repo`, as they are at `commit`.
pub(super) async fn entries(
    repo: &Path,
    commit: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Entry>, Failure> {
    let folder = at(repo, commit, cancel).await?;
    let config = Config::load(folder.path())?;
    Ok(Registry::load(folder.path(), &load_options(&config))?.entries)
}
