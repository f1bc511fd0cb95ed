use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};
use github::{CommitInfo, CommitRequest, FileChange, GithubError, NewPullRequest, PullRequest};
use registry_model::Edit;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::changes::{PinChanges, chain};
use super::forge::Forge;
use super::text::{COMMIT_MESSAGE, body, title};
use crate::FactoryError;

/// Files that are read at once.
const READS: usize = 8;

/// Where pins are proposed.
#[derive(Clone, Debug)]
pub struct ProposeOptions {
    /// The branch to change; default `dev`.
    pub base: String,
    /// The branch to propose from: `bot/pin-<run id>`.
    pub branch: String,
    /// Whether the pull request is not ready for review.
    pub draft: bool,
}

impl ProposeOptions {
    /// A proposal to `dev` by the run `run_id`.
    #[must_use]
    pub fn new(run_id: &str) -> Self {
        Self {
            base: "dev".to_owned(),
            branch: format!("bot/pin-{run_id}"),
            draft: false,
        }
    }
}

/// What became of the changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinReport {
    /// The version of this format.
    pub schema: u32,
    /// The branch that the pins are for.
    pub base: String,
    /// The pins that change.
    pub changes: PinChanges,
    /// The commit; none if nothing changes, or if an earlier attempt of this run made it.
    pub commit: Option<CommitInfo>,
    /// The pull request; none if nothing changes.
    pub pull_request: Option<PullRequest>,
}

/// Proposes the pins as one commit and one pull request. Nothing to change means no commit, no
/// branch and no pull request.
///
/// The pins are set in the files as the base branch has them now, not as they are checked out: so
/// the proposal holds nothing but pins, even if the branch has moved on. Called again for the same
/// branch, it takes up what an earlier attempt left.
///
/// # Errors
/// When a file cannot be pinned safely (then nothing is proposed), or the forge refuses.
pub async fn propose<F: Forge>(
    forge: &F,
    changes: &PinChanges,
    options: &ProposeOptions,
    cancel: &CancellationToken,
) -> Result<PinReport, FactoryError> {
    let mut report = PinReport {
        schema: 1,
        base: options.base.clone(),
        changes: changes.clone(),
        commit: None,
        pull_request: None,
    };
    let work = async {
        let files = edited_files(forge, changes, &options.base).await?;
        if files.is_empty() {
            report.changes = PinChanges::default();
            return Ok(report);
        }
        report.commit = commit(forge, files, options).await?;
        report.pull_request = Some(open(forge, changes, options).await?);
        Ok(report)
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(FactoryError::Cancelled { operation: "propose the pins" }),
        report = work => report,
    }
}

/// The files of the base branch with the new pins, without those that have them already.
async fn edited_files<F: Forge>(
    forge: &F,
    changes: &PinChanges,
    base: &str,
) -> Result<Vec<FileChange>, FactoryError> {
    let read = |file: &Path| {
        let path = file.to_string_lossy().into_owned();
        async move {
            let bytes = forge.read_file(base, &path).await?;
            Ok::<_, FactoryError>((path, bytes))
        }
    };
    let texts: Vec<(String, Option<Vec<u8>>)> = stream::iter(changes.files().into_iter().map(read))
        .buffered(READS)
        .try_collect()
        .await?;
    let mut files = Vec::new();
    let mut failures = Vec::new();
    for (path, bytes) in texts {
        match bytes {
            None => failures.push((path.into(), format!("it is not on `{base}`"))),
            Some(bytes) => match set_pins(&bytes, Path::new(&path), changes) {
                Ok(new) if new == bytes => {}
                Ok(bytes) => files.push(FileChange {
                    path,
                    bytes,
                    executable: false,
                }),
                Err(problem) => failures.push((path.into(), problem)),
            },
        }
    }
    if failures.is_empty() {
        Ok(files)
    } else {
        let total = changes.files().len();
        Err(FactoryError::PartlyPinned { failures, total })
    }
}

fn set_pins(text: &[u8], file: &Path, changes: &PinChanges) -> Result<Vec<u8>, String> {
    let mut text = text.to_vec();
    for change in changes.changes.iter().filter(|change| change.file == file) {
        match registry_model::edit(&text, &change.place(), &change.new) {
            Ok(Edit::Unchanged) => {}
            Ok(Edit::Changed(new)) => text = new,
            Err(error) => return Err(chain(&error)),
        }
    }
    Ok(text)
}

async fn commit<F: Forge>(
    forge: &F,
    files: Vec<FileChange>,
    options: &ProposeOptions,
) -> Result<Option<CommitInfo>, FactoryError> {
    let request = CommitRequest {
        base: options.base.clone(),
        branch: options.branch.clone(),
        message: COMMIT_MESSAGE.to_owned(),
        files,
    };
    match forge.commit_files(&request).await {
        Ok(commit) => {
            tracing::info!(target: "pipeline::progress", stage = "pin", item = %options.branch, "committed {} files", request.files.len());
            Ok(Some(commit))
        }
        Err(error @ GithubError::AlreadyExists { .. }) => {
            // An earlier attempt of the same run made it, if it holds the very same files.
            for file in &request.files {
                let there = forge.read_file(&options.branch, &file.path).await?;
                if there.as_ref() != Some(&file.bytes) {
                    return Err(error.into());
                }
            }
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn open<F: Forge>(
    forge: &F,
    changes: &PinChanges,
    options: &ProposeOptions,
) -> Result<PullRequest, FactoryError> {
    let request = NewPullRequest {
        title: title(changes),
        body: body(changes, &options.base),
        head: options.branch.clone(),
        base: options.base.clone(),
        draft: options.draft,
    };
    let opened = match forge.open(&request).await {
        Err(error @ GithubError::AlreadyExists { .. }) => forge
            .find_open(&options.branch, &options.base)
            .await?
            .into_iter()
            .next()
            .ok_or(error),
        other => other,
    }?;
    tracing::info!(target: "pipeline::progress", stage = "pin", item = %options.branch, "pull request {}", opened.url);
    Ok(opened)
}
