//! Which commit the images are of. Pins that are proposed stand for a commit: whoever builds it again
//! must get the same images.

use std::path::{Path, PathBuf};
use std::time::Duration;

use github::CommitSha;
use image_factory::pin::PinChanges;
use process::Command;
use registry_model::{Edit, PinState};
use tokio_util::sync::CancellationToken;

use super::super::commit;
use super::super::context::Context;
use super::super::failures::process_failure;
use crate::exit::Exit;
use crate::ui::Failure;

/// The commit that is checked out, if the files that git has are as in it. The pins themselves may
/// differ, as they go into no image, and so may what only git does not have.
pub(super) async fn source(
    context: &Context,
    changes: &PinChanges,
    reports: &[PathBuf],
    cancel: &CancellationToken,
) -> Result<CommitSha, Failure> {
    let commit = match commit::current(&context.root, cancel).await {
        Ok(commit) => commit.parse()?,
        Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
        Err(failure) => {
            let text = format!(
                "propose pins: git cannot tell which commit they are of ({})",
                failure.error
            );
            let hint = "run it in a clone; where there is none, GITHUB_SHA can name the commit";
            return Err(Failure::new(Exit::Pin, text).with_hint(Some(hint.to_owned())));
        }
    };
    let changed = match changed(&context.root, cancel).await {
        Ok(changed) => changed,
        Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
        // No clone: then the commit is what the workflow says.
        Err(_) => Vec::new(),
    };
    let reports: Vec<PathBuf> = reports
        .iter()
        .filter_map(|one| one.canonicalize().ok())
        .collect();
    for path in changed {
        let file = context.root.join(&path);
        let is_report = file
            .canonicalize()
            .is_ok_and(|file| reports.contains(&file));
        if is_report {
            continue;
        }
        if !differs_in_pins_only(context, &path, cancel).await? {
            return Err(not_committed(&path, &commit));
        }
        if changes.unchanged.iter().any(|pin| pin.file == path) {
            return Err(pinned_here(&path, &commit));
        }
    }
    Ok(commit)
}

fn not_committed(path: &Path, commit: &CommitSha) -> Failure {
    let text = format!(
        "propose pins: `{}` differs from commit {}, so the images are of no commit",
        path.display(),
        commit.short()
    );
    let hint = "commit and push it, and build again; or check out the commit that was built";
    Failure::new(Exit::Pin, text).with_hint(Some(hint.to_owned()))
}

/// What is compared with the pins of this checkout would seem to be there already.
fn pinned_here(path: &Path, commit: &CommitSha) -> Failure {
    let text = format!(
        "propose pins: `{}` has them here already, but not in commit {}",
        path.display(),
        commit.short()
    );
    let hint = format!("take them back: `git restore -SW {}`", path.display());
    Failure::new(Exit::Pin, text).with_hint(Some(hint))
}

async fn git(
    root: &Path,
    args: &[&str],
    cancel: &CancellationToken,
) -> Result<process::Output, Failure> {
    // Others may use the index at the same time.
    let command = Command::new("git")
        .arg("--no-optional-locks")
        .args(args)
        .current_dir(root)
        .timeout(Duration::from_secs(300));
    let ran = command.run(cancel).await;
    ran.map_err(|error| process_failure(error, Exit::Pin))
}

/// The files below `root`, relative to it, that git has and that are not as in the last commit.
async fn changed(root: &Path, cancel: &CancellationToken) -> Result<Vec<PathBuf>, Failure> {
    // Staged or not; what was moved is gone from one place and new in another.
    let args = [
        "diff",
        "--name-only",
        "--relative",
        "--no-renames",
        "--ignore-submodules=untracked",
        "-z",
        "HEAD",
        "--",
        ".",
    ];
    let listed = git(root, &args, cancel).await?.stdout_text();
    let paths = listed.split('\0').filter(|path| !path.is_empty());
    Ok(paths.map(PathBuf::from).collect())
}

/// Whether a registry file is that of the last commit with nothing but the pins it has now.
async fn differs_in_pins_only(
    context: &Context,
    path: &Path,
    cancel: &CancellationToken,
) -> Result<bool, Failure> {
    let entries = context.registry.entries.iter();
    let entries: Vec<_> = entries.filter(|entry| entry.file == path).collect();
    let (false, Ok(now)) = (entries.is_empty(), std::fs::read(context.root.join(path))) else {
        return Ok(false);
    };
    let object = format!("HEAD:./{}", path.display());
    let mut text = match git(&context.root, &["cat-file", "blob", &object], cancel).await {
        Ok(output) => output.stdout,
        Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
        // It is new.
        Err(_) => return Ok(false),
    };
    for pin in entries.iter().flat_map(|entry| &entry.pins) {
        if let PinState::Pinned(image) = &pin.state {
            match registry_model::edit(&text, &pin.place, image) {
                Ok(Edit::Changed(new)) => text = new,
                Ok(Edit::Unchanged) => {}
                Err(_) => return Ok(false),
            }
        }
    }
    Ok(text == now)
}
