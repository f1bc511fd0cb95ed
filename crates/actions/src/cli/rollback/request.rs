//! The pull request that pins the earlier image again.

use std::path::Path;

use github::{FileChange, NewCommit, NewPullRequest, PullRequest, Repo};
use registry_model::{Edit, PinPlace, PinnedImage, ProcessorRef, edit};
use serde::Serialize;

use super::super::summary::code;
use crate::exit::Exit;
use crate::ui::Failure;

/// What is to be pinned where.
pub(super) struct Revert<'a> {
    pub(super) reference: &'a ProcessorRef,
    pub(super) file: &'a Path,
    pub(super) place: PinPlace,
    pub(super) base: &'a str,
    pub(super) to: &'a PinnedImage,
}

/// What became of the pull request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Request {
    /// `opened`, `unchanged`, `needless`, or `would-open`.
    pub(super) action: &'static str,
    /// The branch with the change.
    pub(super) branch: String,
    /// The pull request, where there is one.
    pub(super) pull_request: Option<PullRequest>,
}

impl Revert<'_> {
    fn branch(&self) -> String {
        let short = self.to.digest.short();
        format!("bot/rollback-{}-{short}", self.reference.app_name())
    }

    /// Opens it, unless it is open or the base branch pins the image already.
    pub(super) async fn propose(&self, repo: &Repo, dry: bool) -> Result<Request, Failure> {
        let branch = self.branch();
        let ended = |action, pull_request| Request {
            action,
            branch: branch.clone(),
            pull_request,
        };
        let parent = repo.branch_head(self.base).await?.ok_or_else(|| {
            let text = format!("find branch `{}` of {}", self.base, repo.name());
            Failure::new(Exit::Input, text)
        })?;
        let Edit::Changed(bytes) = self.edited(repo, parent.as_str()).await? else {
            return Ok(ended("needless", None));
        };
        let mut open = repo
            .find_open_pull_requests(Some(&branch), Some(self.base))
            .await?;
        if let Some(request) = open.pop() {
            let pinned = self.edited(repo, request.head_sha.as_str()).await?;
            if pinned != Edit::Unchanged {
                let text = format!(
                    "propose the rollback: pull request #{} pins something else by now",
                    request.number
                );
                let hint = format!("close it, or bring `{branch}` in order; then run this again");
                return Err(Failure::new(Exit::Pin, text).with_hint(Some(hint)));
            }
            return Ok(ended("unchanged", Some(request)));
        }
        if dry {
            return Ok(ended("would-open", None));
        }
        let title = format!("Roll back {} to {}", self.reference, self.to.digest.short());
        let commit = NewCommit {
            parent,
            message: format!("{title}\n\nPins {} again.", self.to),
            files: vec![FileChange {
                path: self.file.to_string_lossy().into_owned(),
                bytes,
                executable: false,
            }],
        };
        let made = repo.create_commit(&commit).await?;
        // What is there is of an earlier run that did not get further, or of a closed request.
        match repo.branch_head(&branch).await? {
            Some(old) => repo.replace_branch(&branch, &old, &made.sha).await?,
            None => repo.create_branch(&branch, &made.sha).await?,
        }
        let request = NewPullRequest {
            title,
            body: format!(
                "Pins {} again, which was live before:\n\n| processor | image |\n| --- | --- |\n\
                 | {} | {} |\n\nWith `pipeline rollback --now` it runs already, and is held until \
                 this is merged.\n",
                code(self.to.digest.short()),
                code(&self.reference.to_string()),
                code(&self.to.to_string())
            ),
            head: branch.clone(),
            base: self.base.to_owned(),
            draft: false,
        };
        let request = repo.create_pull_request(&request).await?;
        Ok(ended("opened", Some(request)))
    }

    /// The registry file at a commit, with the pin set.
    async fn edited(&self, repo: &Repo, at: &str) -> Result<Edit, Failure> {
        let file = self.file.to_string_lossy();
        let text = repo.read_file(at, &file).await?.ok_or_else(|| {
            let text = format!("read `{file}` of `{}`: it is not there", self.base);
            Failure::new(Exit::Pin, text)
        })?;
        Ok(edit(&text, &self.place, self.to)?)
    }
}
