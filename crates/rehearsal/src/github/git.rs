use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use process::{Command, Output, ProcessError};
use tokio_util::sync::CancellationToken;

/// The configuration of every git command here: no one else's hooks, signatures or identity.
pub(super) const CONFIG: &str = "[user]\n\tname = pipeline-bot[bot]\n\temail = pipeline-bot[bot]@users.noreply.github.com\n\
    [core]\n\thooksPath = /dev/null\n\tprotectHFS = true\n\tprotectNTFS = true\n\
    [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[commit]\n\tgpgSign = false\n[safe]\n\tdirectory = *\n";

/// An identity that a commit can be made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) email: String,
    /// Any date git reads; `None` is now.
    pub(super) date: Option<String>,
}

/// One bare repository, and how to run git on it.
#[derive(Clone, Debug)]
pub(super) struct Git {
    dir: PathBuf,
    config: PathBuf,
    cancel: CancellationToken,
}

impl Git {
    pub(super) fn new(dir: PathBuf, config: PathBuf, cancel: CancellationToken) -> Self {
        Self {
            dir,
            config,
            cancel,
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The same repository, with another way to be cancelled.
    pub(super) fn with_cancel(&self, cancel: &CancellationToken) -> Self {
        Self {
            cancel: cancel.clone(),
            ..self.clone()
        }
    }

    /// A git command on this repository, not run yet.
    pub(super) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        bare_command(&self.config)
            .env("GIT_DIR", &self.dir)
            .args(args)
    }

    pub(super) async fn start(&self, command: Command) -> Result<Output, ProcessError> {
        command.run(&self.cancel).await
    }

    pub(super) async fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Output, ProcessError> {
        self.start(self.command(args)).await
    }

    /// What the command prints, trimmed.
    pub(super) async fn text<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String, ProcessError> {
        Ok(self.run(args).await?.stdout_text().trim().to_owned())
    }

    /// What the command prints, trimmed; `None` when it ends with `code`, git's word for no.
    pub(super) async fn text_unless<S: AsRef<OsStr>>(
        &self,
        code: i32,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Option<String>, ProcessError> {
        match self.text(args).await {
            Ok(text) => Ok(Some(text)),
            Err(ProcessError::Failed { code: found, .. }) if found == Some(code) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether git takes `name`, a whole one as `refs/heads/x`.
    pub(super) async fn is_ref_name(&self, name: &str) -> Result<bool, ProcessError> {
        if name.starts_with('-') || name.contains('\0') || !name.starts_with("refs/") {
            return Ok(false);
        }
        Ok(self
            .text_unless(1, ["check-ref-format", name])
            .await?
            .is_some())
    }

    /// The object a whole reference name points at.
    pub(super) async fn read_ref(&self, name: &str) -> Result<Option<String>, ProcessError> {
        if !self.is_ref_name(name).await? {
            return Ok(None);
        }
        self.resolve(name).await
    }

    /// The object that a revision names, if there is one. `revision` must not come from outside
    /// unless it is known to be an object id or a whole reference name.
    pub(super) async fn resolve(&self, revision: &str) -> Result<Option<String>, ProcessError> {
        self.text_unless(
            1,
            [
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                revision,
            ],
        )
        .await
    }

    /// The object id when there is an object of `kind` with it.
    pub(super) async fn object(
        &self,
        id: &str,
        kind: &str,
    ) -> Result<Option<String>, ProcessError> {
        if !is_object_id(id) {
            return Ok(None);
        }
        self.resolve(&format!("{id}^{{{kind}}}")).await
    }

    /// The commit that a branch, a tag or a commit id names.
    pub(super) async fn commit(&self, name: &str) -> Result<Option<String>, ProcessError> {
        for prefix in ["", "refs/heads/", "refs/tags/"] {
            let full = format!("{prefix}{name}");
            let found = if prefix.is_empty() && is_object_id(name) {
                self.object(name, "commit").await?
            } else if self.is_ref_name(&full).await? {
                self.resolve(&format!("{full}^{{commit}}")).await?
            } else {
                None
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Whether there is no commit at all.
    pub(super) async fn is_empty(&self) -> Result<bool, ProcessError> {
        let refs = self
            .text(["for-each-ref", "--count=1", "--format=x"])
            .await?;
        Ok(refs.is_empty())
    }

    /// Points a reference at an object, if it still points at `old` (`None`: if it is not there).
    pub(super) async fn set_ref(
        &self,
        name: &str,
        new: &str,
        old: Option<&str>,
    ) -> Result<bool, ProcessError> {
        let old = old.unwrap_or("0000000000000000000000000000000000000000");
        Ok(self
            .text_unless(128, ["update-ref", name, new, old])
            .await?
            .is_some())
    }

    /// Writes a blob.
    pub(super) async fn write_blob(&self, bytes: Vec<u8>) -> Result<String, ProcessError> {
        let command = self
            .command(["hash-object", "-t", "blob", "-w", "--no-filters", "--stdin"])
            .stdin(bytes);
        Ok(self.start(command).await?.stdout_text().trim().to_owned())
    }

    /// Writes a commit.
    pub(super) async fn write_commit(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
        author: &Person,
        committer: &Person,
    ) -> Result<String, ProcessError> {
        let mut args = vec!["commit-tree", tree];
        for parent in parents {
            args.extend(["-p", parent]);
        }
        args.extend(["-F", "-"]);
        let mut command = self.command(args).stdin(message);
        for (role, person) in [("AUTHOR", author), ("COMMITTER", committer)] {
            command = command
                .env(format!("GIT_{role}_NAME"), &person.name)
                .env(format!("GIT_{role}_EMAIL"), &person.email);
            if let Some(date) = &person.date {
                command = command.env(format!("GIT_{role}_DATE"), date);
            }
        }
        Ok(self.start(command).await?.stdout_text().trim().to_owned())
    }

    /// The tree of a merge of two commits; `None` on a conflict.
    pub(super) async fn merge_tree(
        &self,
        ours: &str,
        theirs: &str,
    ) -> Result<Option<String>, ProcessError> {
        self.text_unless(
            1,
            ["merge-tree", "--write-tree", "--no-messages", ours, theirs],
        )
        .await
    }

    /// Commits that only `left` has, and that only `right` has.
    pub(super) async fn left_right(
        &self,
        left: &str,
        right: &str,
    ) -> Result<(u64, u64), ProcessError> {
        let range = format!("{left}...{right}");
        let text = self
            .text(["rev-list", "--left-right", "--count", &range])
            .await?;
        let mut counts = text.split_whitespace().map(|n| n.parse().unwrap_or(0));
        Ok((
            counts.next().unwrap_or_default(),
            counts.next().unwrap_or_default(),
        ))
    }
}

/// Git with nothing of the user's configuration or of a repository around it.
pub(super) fn bare_command(config: &Path) -> Command {
    let mut command = Command::new("git")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", config)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    for name in [
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_NAMESPACE",
        "GIT_COMMON_DIR",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
    ] {
        command = command.env_remove(name);
    }
    command
}

/// Whether the text is a whole object id.
pub(super) fn is_object_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
