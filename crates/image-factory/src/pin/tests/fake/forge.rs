//! What the bot asks of the forge.

use std::collections::BTreeMap;

use github::{
    Ahead, AutoMerge, CombinedStatus, Comment, Commit, CommitSha, CommitStatus, Comparison,
    CreatedCommit, FileChange, GithubError, MergeMethod, NewCommit, NewPullRequest, NodeId, Person,
    PullRequest, PullRequestDetails, PullRequestFilter, PullRequestState, PullRequestUpdate,
    StatusState,
};
use jiff::Timestamp;

use super::Fake;
use super::state::{FakePull, comment, person, rejected};
use crate::pin::Forge;

impl Forge for Fake {
    async fn viewer(&self) -> Result<String, GithubError> {
        self.call("viewer").await?;
        Ok(self.state().bot.clone())
    }

    async fn branch_head(&self, branch: &str) -> Result<Option<CommitSha>, GithubError> {
        self.call("branch_head").await?;
        Ok(self.state().branches.get(branch).cloned())
    }

    async fn branches(&self, prefix: &str) -> Result<Vec<(String, CommitSha)>, GithubError> {
        self.call("branches").await?;
        let state = self.state();
        let found = state
            .branches
            .iter()
            .filter(|(name, _)| name.starts_with(prefix));
        Ok(found
            .map(|(name, sha)| (name.clone(), sha.clone()))
            .collect())
    }

    async fn create_branch(&self, branch: &str, at: &CommitSha) -> Result<(), GithubError> {
        self.call("create_branch").await?;
        let mut state = self.state();
        if state.branches.contains_key(branch) {
            return Err(GithubError::AlreadyExists {
                operation: "create it".into(),
            });
        }
        state.branches.insert(branch.to_owned(), at.clone());
        Ok(())
    }

    async fn replace_branch(
        &self,
        branch: &str,
        expected: &CommitSha,
        new: &CommitSha,
    ) -> Result<(), GithubError> {
        self.call("replace_branch").await?;
        match self.state().branches.get_mut(branch) {
            Some(there) if there == expected => {
                *there = new.clone();
                Ok(())
            }
            _ => Err(GithubError::Moved {
                operation: "move it".into(),
                message: String::new(),
            }),
        }
    }

    async fn delete_branch_at(
        &self,
        branch: &str,
        expected: &CommitSha,
    ) -> Result<bool, GithubError> {
        self.call("delete_branch_at").await?;
        let mut state = self.state();
        let there = state.branches.get(branch) == Some(expected);
        if there {
            state.branches.remove(branch);
        }
        Ok(there)
    }

    async fn read_file(&self, at: &str, path: &str) -> Result<Option<Vec<u8>>, GithubError> {
        self.call("read_file").await?;
        let state = self.state();
        let sha = state.need(at)?;
        Ok(state.commits[&sha].files.get(path).cloned())
    }

    async fn create_commit(&self, request: &NewCommit) -> Result<CreatedCommit, GithubError> {
        self.call("create_commit").await?;
        let mut state = self.state();
        let mut files = state.commits[&request.parent].files.clone();
        for FileChange { path, bytes, .. } in &request.files {
            files.insert(path.clone(), bytes.clone());
        }
        let bot = state.bot.clone();
        let sha = state.commit(vec![request.parent.clone()], files, &request.message, &bot);
        let signer = state.signer.map(|address| Person {
            login: None,
            name: "GitHub".into(),
            email: address.into(),
        });
        let committer = signer.unwrap_or_else(|| person(&bot));
        let commit = &mut state.commits.get_mut(&sha).unwrap().commit;
        commit.committer = committer.clone();
        Ok(CreatedCommit {
            sha,
            verified: true,
            author: person(&bot),
            committer,
        })
    }

    async fn commit(&self, at: &str) -> Result<Commit, GithubError> {
        self.call("commit").await?;
        let state = self.state();
        let sha = state.need(at)?;
        Ok(state.commits[&sha].commit.clone())
    }

    async fn compare(&self, base: &str, head: &str) -> Result<Comparison, GithubError> {
        self.call("compare").await?;
        let state = self.state();
        let (base, head) = (state.need(base)?, state.need(head)?);
        let (base, head) = (state.past(&base), state.past(&head));
        Ok(Comparison {
            ahead_by: head.difference(&base).count() as u64,
            behind_by: base.difference(&head).count() as u64,
        })
    }

    async fn ahead(&self, base: &str, head: &str) -> Result<Ahead, GithubError> {
        self.call("ahead").await?;
        let Comparison {
            ahead_by,
            behind_by,
        } = self.compare(base, head).await?;
        let state = self.state();
        let (base, head) = (state.need(base)?, state.need(head)?);
        let (before, after) = (state.past(&base), state.past(&head));
        let commits = after.difference(&before);
        let fork = before
            .intersection(&after)
            .max_by_key(|sha| state.past(sha).len());
        let (old, new) = (
            &state.commits[fork.unwrap()].files,
            &state.commits[&head].files,
        );
        Ok(Ahead {
            ahead_by,
            behind_by,
            commits: commits
                .map(|sha| state.commits[sha].commit.clone())
                .collect(),
            files: state.list(
                new.iter()
                    .filter(|(path, bytes)| old.get(*path) != Some(*bytes))
                    .map(|(path, _)| path.clone())
                    .collect(),
            ),
        })
    }

    async fn pull_requests(
        &self,
        filter: &PullRequestFilter,
    ) -> Result<Vec<PullRequestDetails>, GithubError> {
        self.call("pull_requests").await?;
        let state = self.state();
        let details = state.pulls.iter().map(|pull| &pull.details);
        let wanted = |one: &&PullRequestDetails| {
            (one.state == PullRequestState::Open) == filter.open
                && filter
                    .head
                    .as_ref()
                    .is_none_or(|head| *head == one.request.head && one.from_here)
                && filter
                    .base
                    .as_ref()
                    .is_none_or(|base| *base == one.request.base)
        };
        // The last one that was opened is the last one that was updated.
        let newest = details.rev().filter(wanted);
        Ok(newest.take(filter.pages as usize * 100).cloned().collect())
    }

    async fn open_from(
        &self,
        head: Option<&str>,
        base: Option<&str>,
    ) -> Result<Vec<PullRequest>, GithubError> {
        self.call("open_from").await?;
        let state = self.state();
        let requests = state
            .pulls
            .iter()
            .filter(|pull| pull.details.state == PullRequestState::Open)
            .map(|pull| &pull.details.request);
        let wanted = |one: &&PullRequest| {
            head.is_none_or(|head| head == one.head) && base.is_none_or(|base| base == one.base)
        };
        Ok(requests.filter(wanted).cloned().collect())
    }

    async fn open(&self, request: &NewPullRequest) -> Result<PullRequest, GithubError> {
        self.call("open").await?;
        let mut state = self.state();
        let Some(head_sha) = state.branches.get(&request.head).cloned() else {
            return Err(rejected("Validation Failed; head invalid"));
        };
        let same = |pull: &FakePull| {
            pull.details.state == PullRequestState::Open
                && pull.details.request.head == request.head
        };
        if state.pulls.iter().any(same) {
            return Err(GithubError::AlreadyExists {
                operation: "open it".into(),
            });
        }
        let number = state.pulls.len() as u64 + 1;
        let made = PullRequest {
            number,
            url: format!("https://github.example/{number}"),
            head: request.head.clone(),
            base: request.base.clone(),
            head_sha,
        };
        let node_id: NodeId = serde_json::from_str("\"PR_1\"").unwrap();
        let details = PullRequestDetails {
            request: made.clone(),
            title: request.title.clone(),
            body: request.body.clone(),
            author: state.bot.clone(),
            from_here: true,
            labels: Vec::new(),
            reviewers: Vec::new(),
            draft: request.draft,
            closed_at: None,
            state: PullRequestState::Open,
            node_id,
        };
        state.pulls.push(FakePull {
            details,
            comments: Vec::new(),
            auto_merge: false,
        });
        Ok(made)
    }

    async fn update(
        &self,
        number: u64,
        update: &PullRequestUpdate,
    ) -> Result<PullRequestDetails, GithubError> {
        self.call("update").await?;
        let mut state = self.state();
        let details = &mut state.pull(number).details;
        if let Some(title) = &update.title {
            details.title.clone_from(title);
        }
        if let Some(body) = &update.body {
            details.body.clone_from(body);
        }
        Ok(details.clone())
    }

    async fn close(&self, number: u64) -> Result<PullRequestDetails, GithubError> {
        self.call("close").await?;
        let mut state = self.state();
        let pull = state.pull(number);
        pull.close();
        Ok(pull.details.clone())
    }

    async fn reopen(&self, number: u64) -> Result<PullRequestDetails, GithubError> {
        self.call("reopen").await?;
        let mut state = self.state();
        let head = state.pull(number).details.request.head.clone();
        if !state.branches.contains_key(&head) {
            return Err(rejected("state cannot be changed. The branch is gone."));
        }
        state.pull(number).reopen();
        Ok(state.pull(number).details.clone())
    }

    async fn comments(&self, number: u64) -> Result<Vec<Comment>, GithubError> {
        self.call("comments").await?;
        Ok(self.state().pull(number).comments.clone())
    }

    async fn comment_once(
        &self,
        number: u64,
        marker: &str,
        since: Option<Timestamp>,
        body: &str,
    ) -> Result<bool, GithubError> {
        self.call("comment_once").await?;
        let mut state = self.state();
        let author = state.bot.clone();
        let comments = &mut state.pull(number).comments;
        let counts = |one: &Comment| {
            one.from_inside
                && one.body.contains(marker)
                && since.is_none_or(|since| one.created >= since)
        };
        if comments.iter().any(counts) {
            return Ok(false);
        }
        comments.push(comment(&author, body));
        Ok(true)
    }

    async fn add_labels(&self, number: u64, labels: &[String]) -> Result<(), GithubError> {
        self.call("add_labels").await?;
        let mut state = self.state();
        state.pull(number).details.labels.extend_from_slice(labels);
        Ok(())
    }

    async fn request_reviewers(
        &self,
        number: u64,
        people: &[String],
        teams: &[String],
    ) -> Result<(), GithubError> {
        self.call("request_reviewers").await?;
        let mut state = self.state();
        let reviewers = &mut state.pull(number).details.reviewers;
        reviewers.extend(people.iter().chain(teams).cloned());
        Ok(())
    }

    async fn auto_merge(
        &self,
        number: u64,
        _: &NodeId,
        _: MergeMethod,
    ) -> Result<AutoMerge, GithubError> {
        self.call("auto_merge").await?;
        self.state().pull(number).auto_merge = true;
        Ok(AutoMerge::Enabled)
    }

    async fn dispatch(
        &self,
        workflow: &str,
        branch: &str,
        _: &BTreeMap<String, String>,
    ) -> Result<(), GithubError> {
        self.call("dispatch").await?;
        let started = (workflow.to_owned(), branch.to_owned());
        self.state().dispatched.push(started);
        Ok(())
    }

    async fn status(&self, sha: &CommitSha) -> Result<CombinedStatus, GithubError> {
        self.call("status").await?;
        let state = self.state();
        let said = state.statuses.iter().filter(|(of, _)| of == sha);
        // The latest of each context.
        let latest: BTreeMap<&str, &CommitStatus> = said
            .map(|(_, status)| (status.context.as_str(), status))
            .collect();
        Ok(CombinedStatus {
            state: StatusState::Pending,
            statuses: latest.into_values().cloned().collect(),
        })
    }

    async fn set_status(&self, sha: &CommitSha, status: &CommitStatus) -> Result<(), GithubError> {
        self.call("set_status").await?;
        self.state().statuses.push((sha.clone(), status.clone()));
        Ok(())
    }
}
