use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use crate::{ChecksError, diff};

/// What the process crate keeps of standard output: as much may have been cut.
const LIMIT: usize = 64 << 20;

/// What a pull request changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The files that were added, changed or removed, from the root of the repository.
    pub paths: BTreeSet<String>,
    /// The lines that were added or changed in each, as first and last.
    pub lines: BTreeMap<String, Vec<(u64, u64)>>,
}

impl Changes {
    /// What `head` changes since it left `base`, asked of git.
    ///
    /// # Errors
    /// When one of them is no commit that git knows, and on cancellation.
    pub async fn between(
        root: &Path,
        base: &str,
        head: &str,
        cancel: &CancellationToken,
    ) -> Result<Self, ChecksError> {
        for commit in [base, head] {
            if commit.is_empty() || commit.starts_with('-') || commit.contains("..") {
                return Err(ChecksError::Commit {
                    text: commit.to_owned(),
                });
            }
        }
        let range = format!("{base}...{head}");
        let failed = |source: ProcessError| ChecksError::Changes {
            base: base.to_owned(),
            source: Box::new(source),
        };
        let unreadable = |problem: &str| ChecksError::Diff {
            base: base.to_owned(),
            problem: problem.to_owned(),
        };
        let git = |args: &[&str]| {
            // What a user or the machine has configured must not change the form.
            let command = Command::new("git")
                .args([
                    "-c",
                    "core.quotePath=true",
                    "diff",
                    "--no-color",
                    "--no-ext-diff",
                ])
                .args([
                    "--no-textconv",
                    "--no-renames",
                    "--src-prefix=a/",
                    "--dst-prefix=b/",
                ])
                .args([
                    "--ignore-submodules=none",
                    "--submodule=short",
                    "--no-relative",
                ])
                .args(args)
                .args(["--end-of-options", &range, "--"])
                .current_dir(root);
            async move {
                let output = command.run(cancel).await.map_err(failed)?;
                match output.stdout.len() < LIMIT {
                    true => Ok(output.stdout),
                    false => Err(unreadable("there is more than 64 MiB of it")),
                }
            }
        };
        let names = git(&["--name-only", "-z", "--no-renames"]).await?;
        // The lines of a file that only moved are not new, though both its names have changed.
        let patch = git(&["--unified=0", "--inter-hunk-context=0", "--find-renames"]).await?;
        Ok(Self {
            paths: names
                .split(|byte| *byte == 0)
                .filter(|name| !name.is_empty())
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect(),
            lines: diff::lines(&patch).map_err(|problem| unreadable(&problem))?,
        })
    }
}
