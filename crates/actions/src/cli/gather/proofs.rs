//! What lies beside the pinned images, each of which is asked for once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use receipts::verify::Verdict;
use receipts::{ReceiptsError, Store};
use registry_model::{PinState, PinnedImage};
use tokio_util::sync::CancellationToken;

use super::super::context::images;
use super::places::Branch;
use super::told;
use crate::config::Config;
use crate::ui::Failure;

/// What the registry said.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) verdicts: BTreeMap<PinnedImage, Result<Vec<Verdict>, String>>,
    /// What is missing, for people, and why.
    pub(super) missing: Option<(String, Option<Failure>)>,
}

/// Reads and judges the receipts of images, in their order.
///
/// # Errors
/// When a key of `receipts.keys` cannot be read: a mistake, and not a registry that is away.
pub(in super::super) async fn read(
    repo: &Path,
    config: &Config,
    wanted: &[PinnedImage],
    cancel: &CancellationToken,
) -> Result<Vec<Result<Vec<Verdict>, ReceiptsError>>, Failure> {
    let policy = config.receipts.policy(repo)?;
    let store = Store::new(images()?);
    Ok(store.judge_many(wanted, &policy, cancel).await)
}

/// What the next environment makes of the receipts of what is here and there, where its keys and
/// its `receipts:` are not those of the repository as it is checked out.
pub(super) async fn judge_as(
    repo: &Path,
    config: &Config,
    next: &Branch,
    both: &[Branch],
    cancel: &CancellationToken,
) -> Result<Judged, Failure> {
    let theirs = &next.config.receipts;
    let is_same = |key: &PathBuf| {
        let bytes = |root: &Path| std::fs::read(root.join(key)).ok();
        bytes(repo) == bytes(next.folder.path())
    };
    if *theirs == config.receipts && theirs.keys.iter().all(is_same) {
        return Ok(Judged::default());
    }
    judge(next.folder.path(), &next.config, both, cancel).await
}

/// Reads and judges the receipts of all that is pinned.
pub(super) async fn judge(
    repo: &Path,
    config: &Config,
    branches: &[Branch],
    cancel: &CancellationToken,
) -> Result<Judged, Failure> {
    let pinned: BTreeSet<&PinnedImage> = branches
        .iter()
        .flat_map(|branch| &branch.standing.processors)
        .flat_map(|processor| &processor.pins)
        .filter_map(|pin| match &pin.state {
            PinState::Pinned(image) => Some(image),
            PinState::Pending { .. } => None,
        })
        .collect();
    let pinned: Vec<PinnedImage> = pinned.into_iter().cloned().collect();
    let read = read(repo, config, &pinned, cancel).await?;
    let mut judged = Judged::default();
    let mut failed = Vec::new();
    for (image, read) in pinned.iter().cloned().zip(read) {
        let read = match read {
            Ok(verdicts) => Ok(verdicts),
            Err(error) if error.is_cancelled() => return Err(error.into()),
            Err(error) => {
                let told = told(&error);
                failed.push(error);
                Err(told)
            }
        };
        judged.verdicts.insert(image, read);
    }
    let many = failed.len();
    judged.missing = failed.into_iter().next().map(|first| {
        let all = pinned.len();
        let notice = format!(
            "proven: not known of {many} of {all} images: {}",
            told(&first)
        );
        (notice, Some(first.into()))
    });
    Ok(judged)
}
