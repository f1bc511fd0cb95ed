use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use process::{Command, Output, ProcessError};
use tokio_util::sync::CancellationToken;

use super::answer::ApiError;
use super::known::Known;
use super::names::{is_object_id, is_ref_name, read_ref};

/// The configuration of every git command here: no one else's hooks, signatures or identity.
pub(super) const CONFIG: &str = "[user]\n\tname = GitHub\n\temail = noreply@github.com\n\
    [core]\n\thooksPath = /dev/null\n\tprotectHFS = true\n\tprotectNTFS = true\n\
    [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[commit]\n\tgpgSign = false\n[safe]\n\tdirectory = *\n";

/// The code of a command that has no way to say no.
pub(super) const NEVER: i32 = -1;

/// Where it is remembered that there is a commit; no object has such a name.
const FILLED: &str = "filled";

/// A branch or a tag, and the object that it points at.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) sha: String,
}

/// One bare repository, and how to run git on it.
#[derive(Clone, Debug)]
pub(super) struct Git {
    dir: PathBuf,
    config: PathBuf,
    cancel: CancellationToken,
    pub(super) known: Arc<Known>,
}

impl Git {
    pub(super) fn new(dir: PathBuf, config: PathBuf, cancel: CancellationToken) -> Self {
        Self {
            dir,
            config,
            cancel,
            known: Arc::default(),
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

    /// What a command prints that names no reference, only object ids; `None` when it ends with
    /// `code`, git's word for no. Git is asked once.
    pub(super) async fn about<S: AsRef<str>>(
        &self,
        code: i32,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Option<Arc<[u8]>>, ProcessError> {
        let args: Vec<String> = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        let ask = async {
            match self.run(&args).await {
                Ok(output) => Ok(Some(output.stdout)),
                Err(ProcessError::Failed { code: found, .. }) if found == Some(code) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.known.answer(args.join("\0"), ask).await
    }

    /// The same as text, trimmed.
    pub(super) async fn text_about<S: AsRef<str>>(
        &self,
        code: i32,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Option<String>, ProcessError> {
        let bytes = self.about(code, args).await?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    /// The object a whole reference name points at.
    pub(super) async fn read_ref(&self, name: &str) -> Result<Option<String>, std::io::Error> {
        if !is_ref_name(name) {
            return Ok(None);
        }
        let (dir, name) = (self.dir.clone(), name.to_owned());
        let read = tokio::task::spawn_blocking(move || read_ref(&dir, &name));
        read.await.map_err(std::io::Error::other)?
    }

    /// The object id when there is an object of `kind` with it, or one that leads to it.
    pub(super) async fn object(
        &self,
        id: &str,
        kind: &'static str,
    ) -> Result<Option<String>, ProcessError> {
        if !is_object_id(id) {
            return Ok(None);
        }
        if self.known.has(id, kind) {
            return Ok(Some(id.to_owned()));
        }
        // Not remembered when it is not there: it may come.
        let revision = format!("{id}^{{{kind}}}");
        let args = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &revision,
        ];
        let found = self.text_unless(1, args).await?;
        if found.as_deref() == Some(id) {
            self.known.add(id, kind);
        }
        Ok(found)
    }

    /// The tree of a commit that is there.
    pub(super) async fn tree_of(&self, commit: &str) -> Result<String, ProcessError> {
        let tree = format!("{commit}^{{tree}}");
        let found = self
            .text_about(NEVER, ["rev-parse", "--verify", &tree])
            .await?;
        Ok(found.unwrap_or_default())
    }

    /// The commit that a branch, a tag or a commit id names.
    pub(super) async fn commit(&self, name: &str) -> Result<Option<String>, ApiError> {
        if is_object_id(name)
            && let Some(found) = self.object(name, "commit").await?
        {
            return Ok(Some(found));
        }
        for prefix in ["", "refs/heads/", "refs/tags/"] {
            if let Some(id) = self.read_ref(&format!("{prefix}{name}")).await?
                && let Some(found) = self.object(&id, "commit").await?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether there is no commit at all.
    pub(super) async fn is_empty(&self) -> Result<bool, ProcessError> {
        // The default branch cannot be deleted: what once has a commit keeps one.
        if self.known.has(FILLED, FILLED) {
            return Ok(false);
        }
        let refs = self
            .text(["for-each-ref", "--count=1", "--format=x"])
            .await?;
        if !refs.is_empty() {
            self.known.add(FILLED, FILLED);
        }
        Ok(refs.is_empty())
    }

    /// The references whose names begin so.
    pub(super) async fn refs_from(&self, prefix: &str) -> Result<Vec<Reference>, ProcessError> {
        if prefix.contains('\0') {
            return Ok(Vec::new());
        }
        let folder = prefix.rsplit_once('/').map_or("refs", |(folder, _)| folder);
        let format = "--format=%(objectname) %(objecttype) %(refname)";
        let text = self.text(["for-each-ref", format, "--", folder]).await?;
        let mut found = Vec::new();
        for line in text.lines() {
            let mut parts = line.splitn(3, ' ').map(str::to_owned);
            if let (Some(sha), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next())
                && name.starts_with(prefix)
            {
                found.push(Reference { name, kind, sha });
            }
        }
        Ok(found)
    }

    /// The kind of an object that is there.
    pub(super) async fn kind(&self, id: &str) -> Result<String, ProcessError> {
        if self.known.has(id, "commit") {
            return Ok("commit".to_owned());
        }
        let kind = self.text_about(NEVER, ["cat-file", "-t", id]).await?;
        Ok(kind.unwrap_or_default())
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

    /// The bytes of a blob that is there.
    pub(super) async fn blob(&self, id: &str) -> Result<Arc<[u8]>, ProcessError> {
        let bytes = self.about(NEVER, ["cat-file", "blob", id]).await?;
        Ok(bytes.unwrap_or_default())
    }

    /// The commit that both come from; `None` when there is none.
    pub(super) async fn fork(
        &self,
        left: &str,
        right: &str,
    ) -> Result<Option<String>, ProcessError> {
        self.text_about(1, ["merge-base", left, right]).await
    }

    /// The tree of a merge of two commits; `None` on a conflict.
    pub(super) async fn merge_tree(
        &self,
        ours: &str,
        theirs: &str,
    ) -> Result<Option<String>, ProcessError> {
        let args = ["merge-tree", "--write-tree", "--no-messages", ours, theirs];
        self.text_about(1, args).await
    }

    /// Commits that only `left` has, and that only `right` has.
    pub(super) async fn left_right(
        &self,
        left: &str,
        right: &str,
    ) -> Result<(u64, u64), ProcessError> {
        let range = format!("{left}...{right}");
        let args = ["rev-list", "--left-right", "--count", &range];
        let text = self.text_about(NEVER, args).await?.unwrap_or_default();
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
        "GIT_DEFAULT_REF_FORMAT",
        "GIT_DEFAULT_HASH",
    ] {
        command = command.env_remove(name);
    }
    command
}
