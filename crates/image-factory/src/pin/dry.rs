use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use github::{
    Ahead, AutoMerge, CombinedStatus, Comment, Commit, CommitSha, CommitStatus, Comparison,
    CreatedCommit, GithubError, MergeMethod, NewCommit, NewPullRequest, NodeId, Person,
    PullRequest, PullRequestDetails, PullRequestFilter, PullRequestState, PullRequestUpdate,
    StatusState,
};
use jiff::Timestamp;

use super::forge::Forge;
use super::marker::Hash;
use super::report::PinPreview;

/// The number of a request that is not there: GitHub's will be higher than all it has given.
pub(super) const NOT_OPENED: u64 = u64::MAX;

/// A forge that is read and never written to. What would be written is kept here, and later reads
/// see it, so that whoever works on it goes the same way as on the forge itself.
pub(super) struct Dry<'a, F> {
    forge: &'a F,
    kept: Mutex<Kept>,
}

#[derive(Default)]
pub(super) struct Kept {
    /// What would be committed.
    commits: BTreeMap<CommitSha, (Commit, NewCommit)>,
    /// Where branches would point, or that they would be gone.
    branches: BTreeMap<String, Option<CommitSha>>,
    /// The requests as they were read.
    read: BTreeMap<u64, PullRequestDetails>,
    /// The requests as they would be.
    written: BTreeMap<u64, PullRequestDetails>,
    preview: PinPreview,
}

impl Kept {
    /// A request as it was read, whatever would be written to it.
    pub(super) fn as_read(&self, number: u64) -> Option<&PullRequest> {
        self.read.get(&number).map(|details| &details.request)
    }

    pub(super) fn into_preview(mut self, branch: &str) -> PinPreview {
        self.preview.branch = self.preview.title.as_ref().map(|_| branch.to_owned());
        self.preview.deleted_branches = self
            .branches
            .into_iter()
            .filter_map(|(branch, at)| at.is_none().then_some(branch))
            .collect();
        self.preview
    }

    /// The request as it would be.
    fn pull(&self, number: u64) -> Option<PullRequestDetails> {
        let details = self.written.get(&number).or_else(|| self.read.get(&number));
        details.cloned().map(|mut details| {
            if let Some(Some(head)) = self.branches.get(&details.request.head)
                && details.from_here
            {
                details.request.head_sha.clone_from(head);
            }
            details
        })
    }

    fn write(
        &mut self,
        number: u64,
        change: impl FnOnce(&mut PullRequestDetails),
    ) -> Result<PullRequestDetails, GithubError> {
        let mut details = self
            .pull(number)
            .ok_or_else(|| not_found(format!("pull request {number}")))?;
        change(&mut details);
        self.written.insert(number, details.clone());
        Ok(details)
    }
}

fn not_found(object: String) -> GithubError {
    GithubError::NotFound {
        operation: "try the proposal of the pins".to_owned(),
        object,
        permission: "pull-requests: read",
    }
}

impl<'a, F> Dry<'a, F> {
    pub(super) fn new(forge: &'a F) -> Self {
        Self {
            forge,
            kept: Mutex::default(),
        }
    }

    pub(super) fn end(self) -> Kept {
        let kept = self.kept.into_inner();
        kept.unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The commit of that id, if it is one that would be made.
    fn made(&self, at: &str) -> Option<(Commit, NewCommit)> {
        let sha = at.parse().ok()?;
        self.kept().commits.get(&sha).cloned()
    }
}

impl<F: Forge> Forge for Dry<'_, F> {
    async fn viewer(&self) -> Result<String, GithubError> {
        self.forge.viewer().await
    }

    async fn branch_head(&self, branch: &str) -> Result<Option<CommitSha>, GithubError> {
        let kept = self.kept().branches.get(branch).cloned();
        match kept {
            Some(at) => Ok(at),
            None => self.forge.branch_head(branch).await,
        }
    }

    async fn branches(&self, prefix: &str) -> Result<Vec<(String, CommitSha)>, GithubError> {
        let there = self.forge.branches(prefix).await?;
        let mut branches: BTreeMap<String, CommitSha> = there.into_iter().collect();
        for (branch, at) in &self.kept().branches {
            match at {
                Some(sha) if branch.starts_with(prefix) => {
                    branches.insert(branch.clone(), sha.clone());
                }
                _ => drop(branches.remove(branch)),
            }
        }
        Ok(branches.into_iter().collect())
    }

    async fn create_branch(&self, branch: &str, at: &CommitSha) -> Result<(), GithubError> {
        let at = Some(at.clone());
        self.kept().branches.insert(branch.to_owned(), at);
        Ok(())
    }

    async fn replace_branch(
        &self,
        branch: &str,
        _: &CommitSha,
        new: &CommitSha,
    ) -> Result<(), GithubError> {
        self.create_branch(branch, new).await
    }

    async fn delete_branch_at(
        &self,
        branch: &str,
        expected: &CommitSha,
    ) -> Result<bool, GithubError> {
        let there = self.branch_head(branch).await?.as_ref() == Some(expected);
        if there {
            self.kept().branches.insert(branch.to_owned(), None);
        }
        Ok(there)
    }

    async fn read_file(&self, at: &str, path: &str) -> Result<Option<Vec<u8>>, GithubError> {
        let Some((_, request)) = self.made(at) else {
            return self.forge.read_file(at, path).await;
        };
        match request.files.into_iter().find(|file| file.path == path) {
            Some(file) => Ok(Some(file.bytes)),
            None => self.forge.read_file(request.parent.as_str(), path).await,
        }
    }

    async fn create_commit(&self, request: &NewCommit) -> Result<CreatedCommit, GithubError> {
        let login = self.forge.viewer().await?;
        let maker = Person {
            login: Some(login.clone()),
            name: login,
            email: String::new(),
        };
        let sha = Hash::of_commit(request).as_commit()?;
        let commit = Commit {
            // No files are made that could be counted: the commit stands for them.
            tree: sha.to_string(),
            sha: sha.clone(),
            message: request.message.clone(),
            author: maker.clone(),
            committer: maker.clone(),
            parents: vec![request.parent.clone()],
        };
        let made = (commit, request.clone());
        self.kept().commits.insert(sha.clone(), made);
        Ok(CreatedCommit {
            sha,
            verified: false,
            author: maker.clone(),
            committer: maker,
        })
    }

    async fn commit(&self, at: &str) -> Result<Commit, GithubError> {
        match self.made(at) {
            Some((commit, _)) => Ok(commit),
            None => self.forge.commit(at).await,
        }
    }

    async fn compare(&self, base: &str, head: &str) -> Result<Comparison, GithubError> {
        self.forge.compare(base, head).await
    }

    async fn ahead(&self, base: &str, head: &str) -> Result<Ahead, GithubError> {
        match self.made(head) {
            Some((commit, request)) => Ok(Ahead {
                ahead_by: 1,
                behind_by: 0,
                commits: vec![commit],
                files: request.files.into_iter().map(|file| file.path).collect(),
            }),
            None => self.forge.ahead(base, head).await,
        }
    }

    async fn pull_requests(
        &self,
        filter: &PullRequestFilter,
    ) -> Result<Vec<PullRequestDetails>, GithubError> {
        let there = self.forge.pull_requests(filter).await?;
        let mut kept = self.kept();
        let mut numbers: BTreeSet<u64> = there.iter().map(|one| one.request.number).collect();
        for details in there {
            kept.read.insert(details.request.number, details);
        }
        numbers.extend(kept.written.keys());
        let wanted = |one: &PullRequestDetails| {
            let request = &one.request;
            (one.state == PullRequestState::Open) == filter.open
                && filter.head.as_ref().is_none_or(|it| *it == request.head)
                && filter.base.as_ref().is_none_or(|it| *it == request.base)
        };
        let numbers = numbers.into_iter().rev();
        Ok(numbers
            .filter_map(|number| kept.pull(number).filter(wanted))
            .collect())
    }

    async fn open_from(
        &self,
        head: Option<&str>,
        base: Option<&str>,
    ) -> Result<Vec<PullRequest>, GithubError> {
        let mut there = self.forge.open_from(head, base).await?;
        let kept = self.kept();
        there.retain(|request| !kept.written.contains_key(&request.number));
        let written = kept.written.keys().filter_map(|number| kept.pull(*number));
        there.extend(
            written
                .filter(|one| one.state == PullRequestState::Open)
                .map(|one| one.request)
                .filter(|one| {
                    head.is_none_or(|head| head == one.head)
                        && base.is_none_or(|base| base == one.base)
                }),
        );
        Ok(there)
    }

    async fn open(&self, request: &NewPullRequest) -> Result<PullRequest, GithubError> {
        let head_sha = self.branch_head(&request.head).await?;
        let opened = PullRequest {
            number: NOT_OPENED,
            url: String::new(),
            head: request.head.clone(),
            base: request.base.clone(),
            head_sha: head_sha.ok_or_else(|| not_found(format!("branch `{}`", request.head)))?,
        };
        let details = PullRequestDetails {
            request: opened.clone(),
            title: request.title.clone(),
            body: request.body.clone(),
            author: self.forge.viewer().await?,
            from_here: true,
            labels: Vec::new(),
            reviewers: Vec::new(),
            draft: request.draft,
            closed_at: None,
            state: PullRequestState::Open,
            node_id: NodeId::default(),
        };
        let mut kept = self.kept();
        kept.preview.title = Some(request.title.clone());
        kept.preview.body = Some(request.body.clone());
        kept.preview.draft = request.draft;
        kept.written.insert(NOT_OPENED, details);
        Ok(opened)
    }

    async fn update(
        &self,
        number: u64,
        update: &PullRequestUpdate,
    ) -> Result<PullRequestDetails, GithubError> {
        let mut kept = self.kept();
        let details = kept.write(number, |details| {
            if let Some(title) = &update.title {
                details.title.clone_from(title);
            }
            if let Some(body) = &update.body {
                details.body.clone_from(body);
            }
        })?;
        kept.preview.title.clone_from(&update.title);
        kept.preview.body.clone_from(&update.body);
        kept.preview.draft = details.draft;
        Ok(details)
    }

    async fn close(&self, number: u64) -> Result<PullRequestDetails, GithubError> {
        self.kept()
            .write(number, |details| details.state = PullRequestState::Closed)
    }

    async fn reopen(&self, number: u64) -> Result<PullRequestDetails, GithubError> {
        self.kept()
            .write(number, |details| details.state = PullRequestState::Open)
    }

    async fn comments(&self, number: u64) -> Result<Vec<Comment>, GithubError> {
        self.forge.comments(number).await
    }

    async fn comment_once(
        &self,
        _: u64,
        _: &str,
        _: Option<Timestamp>,
        _: &str,
    ) -> Result<bool, GithubError> {
        Ok(true)
    }

    async fn add_labels(&self, _: u64, labels: &[String]) -> Result<(), GithubError> {
        self.kept().preview.labels = labels.to_vec();
        Ok(())
    }

    async fn request_reviewers(
        &self,
        _: u64,
        people: &[String],
        teams: &[String],
    ) -> Result<(), GithubError> {
        let mut kept = self.kept();
        kept.preview.reviewers = people.to_vec();
        kept.preview.team_reviewers = teams.to_vec();
        Ok(())
    }

    async fn auto_merge(
        &self,
        _: u64,
        _: &NodeId,
        method: MergeMethod,
    ) -> Result<AutoMerge, GithubError> {
        self.kept().preview.auto_merge = Some(method);
        Ok(AutoMerge::Enabled)
    }

    async fn dispatch(
        &self,
        workflow: &str,
        _: &str,
        _: &BTreeMap<String, String>,
    ) -> Result<(), GithubError> {
        self.kept().preview.workflow = Some(workflow.to_owned());
        Ok(())
    }

    async fn status(&self, sha: &CommitSha) -> Result<CombinedStatus, GithubError> {
        if self.made(sha.as_str()).is_some() {
            return Ok(CombinedStatus {
                state: StatusState::Pending,
                statuses: Vec::new(),
            });
        }
        self.forge.status(sha).await
    }

    async fn set_status(&self, _: &CommitSha, _: &CommitStatus) -> Result<(), GithubError> {
        Ok(())
    }
}
