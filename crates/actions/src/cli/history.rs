//! What a branch pinned when, as its own commits tell: the first parents, so that a merge counts as
//! the moment when its pins came to the branch.

mod parse;
#[cfg(test)]
mod tests;

use std::path::Path;

use promotion::board::Past;
use registry_model::Digest;
use tokio_util::sync::CancellationToken;

use super::failures::process_failure;
use super::tree::git;
use crate::exit::Exit;
use crate::ui::Failure;

/// A registry file is YAML, or JSON, which is YAML too. Other files are many and are not read.
const FILES: [&str; 3] = [":(icase)*.yaml", ":(icase)*.yml", ":(icase)*.json"];

/// As much as is kept of what git prints (`process::Output::stdout`); it begins with the latest.
const LONGEST: usize = 64 * 1024 * 1024;

/// The settings of a user or of a repository must not change what is printed, or run a program.
const SETTINGS: [&str; 8] = [
    "-c",
    "log.showRoot=true",
    "-c",
    "log.showSignature=false",
    "-c",
    "core.quotePath=false",
    "--no-pager",
    "--no-replace-objects",
];

/// The tree without files, which every git knows.
const NOTHING: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// Each commit begins with a line that begins with NUL, which no line of a difference does.
const LOG: [&str; 5] = [
    "log",
    "--format=%x00%H%x00%P%x00%ct%x00%an%x00%s",
    "--encoding=UTF-8",
    "--first-parent",
    "--diff-merges=first-parent",
];

const DIFFERENCE: [&str; 13] = [
    "--patch",
    "--unified=0",
    "--inter-hunk-context=0",
    // Attributes of the repository may call a file binary; its pins count all the same.
    "--text",
    "-G@sha256:[0-9a-f]",
    "--relative",
    "--no-renames",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--end-of-options",
];

/// What a branch pins and has pinned.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    past: Past,
    /// Whether the clone has only the end of it.
    shallow: bool,
}

impl History {
    /// Reads the history of `commit` from the clone at `repo`, which may be a folder of it. Only
    /// images by digest, times and bounded texts are taken from it, as anybody may have written it.
    ///
    /// # Errors
    /// When there is no such commit, git cannot be asked, or the caller cancels.
    pub(super) async fn read(
        repo: &Path,
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<Self, Failure> {
        let asked = git(repo).args(["rev-parse", "--is-shallow-repository"]);
        let failed = |error| process_failure(error, Exit::Input);
        let shallow = asked.run(cancel).await.map_err(failed)?;
        let shallow = shallow.stdout_text().trim() == "true";
        let log = git(repo).args(SETTINGS).args(LOG).args(DIFFERENCE);
        let log = log.arg(commit).arg("--").args(FILES);
        let log = log.run(cancel).await.map_err(failed)?;
        let mut past = Past {
            is_cut: shallow || log.stdout.len() >= LONGEST,
            ..Past::default()
        };
        parse::commits(&log.stdout, |change, is_first| {
            let images = change.removed.iter().chain(&change.added);
            past.digests
                .extend(images.map(|image| image.digest.clone()));
            // Where the clone begins, everything looks new.
            if !(is_first && shallow) {
                past.changes.push(change);
            }
        });
        Ok(Self { past, shallow })
    }

    /// Adds what the files of `commit` have, which the branch may have got from elsewhere: a merge
    /// that a person made in a clone may have the branch as it was for its second parent.
    ///
    /// # Errors
    /// As [`History::read`].
    pub(super) async fn add(
        &mut self,
        repo: &Path,
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let all = git(repo).args(SETTINGS).arg("diff").args(DIFFERENCE);
        let all = all.args([NOTHING, commit, "--"]).args(FILES);
        let all = all.run(cancel).await;
        let all = all.map_err(|error| process_failure(error, Exit::Input))?;
        parse::commits(&all.stdout, |change, _| {
            let images = change.added.into_iter();
            self.past.digests.extend(images.map(|image| image.digest));
        });
        Ok(())
    }

    /// Whether the branch has, or had, this digest in one of its files.
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.past.digests.contains(digest)
    }

    /// Whether the clone has only the end of the history.
    pub(super) fn is_shallow(&self) -> bool {
        self.shallow
    }

    /// Whether there is more of it than is ever read.
    pub(super) fn is_too_long(&self) -> bool {
        self.past.is_cut && !self.shallow
    }

    /// The same for a board.
    pub(super) fn into_past(self) -> Past {
        self.past
    }
}
