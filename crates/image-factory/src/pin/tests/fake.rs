use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use github::{
    Ahead, AutoMerge, CombinedStatus, Comment, Commit, CommitSha, CommitStatus, Comparison,
    CreatedCommit, FileChange, GithubError, MergeMethod, NewCommit, NewPullRequest, NodeId, Person,
    PullRequest, PullRequestDetails, PullRequestFilter, PullRequestState, PullRequestUpdate,
    StatusState,
};
use jiff::Timestamp;

use crate::pin::Forge;

type Files = BTreeMap<String, Vec<u8>>;

/// A forge in memory. Every call lets others go first for a random while: many runs at once are
/// interleaved call by call.
pub(super) struct Fake {
    state: Mutex<State>,
    /// The next number of the generator.
    seed: Mutex<u64>,
}

#[derive(Default)]
pub(super) struct State {
    commits: BTreeMap<CommitSha, Object>,
    pub(super) branches: BTreeMap<String, CommitSha>,
    pub(super) pulls: Vec<FakePull>,
    pub(super) statuses: Vec<(CommitSha, CommitStatus)>,
    pub(super) dispatched: Vec<(String, String)>,
    /// Calls that fail: the name, and how often they work before.
    pub(super) failing: BTreeMap<&'static str, usize>,
    pub(super) calls: BTreeMap<&'static str, usize>,
    /// Who makes commits and pull requests.
    pub(super) bot: String,
    /// The address of the forge as the committer of what the bot commits, if it signs that.
    pub(super) signer: Option<&'static str>,
}

#[derive(Clone)]
struct Object {
    commit: Commit,
    files: Files,
}

#[derive(Clone)]
pub(super) struct FakePull {
    pub(super) details: PullRequestDetails,
    pub(super) comments: Vec<Comment>,
    pub(super) auto_merge: bool,
}

impl FakePull {
    pub(super) fn close(&mut self) {
        if self.details.state == PullRequestState::Open {
            self.details.state = PullRequestState::Closed;
            self.details.closed_at = Some(Timestamp::now());
        }
    }

    pub(super) fn reopen(&mut self) {
        self.details.state = PullRequestState::Open;
        self.details.closed_at = None;
    }
}

/// What somebody says now. An outsider is anybody but the people and Apps of these tests.
pub(super) fn comment(author: &str, body: &str) -> Comment {
    Comment {
        author: author.to_owned(),
        from_inside: author != "mallory",
        created: Timestamp::now(),
        body: body.to_owned(),
    }
}

fn person(name: &str) -> Person {
    Person {
        login: Some(name.to_owned()),
        name: name.to_owned(),
        email: format!("{name}@example.com"),
    }
}

fn rejected(message: &str) -> GithubError {
    GithubError::Rejected {
        operation: "do it".into(),
        status: 422,
        message: message.to_owned(),
    }
}

impl State {
    /// Adds a commit.
    fn commit(
        &mut self,
        parents: Vec<CommitSha>,
        files: Files,
        message: &str,
        by: &str,
    ) -> CommitSha {
        let sha: CommitSha = format!("{:040x}", self.commits.len() + 1).parse().unwrap();
        let commit = Commit {
            sha: sha.clone(),
            message: message.to_owned(),
            author: person(by),
            committer: person(by),
            parents,
        };
        self.commits.insert(sha.clone(), Object { commit, files });
        sha
    }

    fn past(&self, of: &CommitSha) -> BTreeSet<CommitSha> {
        let mut past = BTreeSet::new();
        let mut open = vec![of.clone()];
        while let Some(sha) = open.pop() {
            if past.insert(sha.clone()) {
                open.extend(self.commits[&sha].commit.parents.clone());
            }
        }
        past
    }

    fn find(&self, at: &str) -> Option<CommitSha> {
        let by_id = || at.parse().ok().filter(|sha| self.commits.contains_key(sha));
        self.branches.get(at).cloned().or_else(by_id)
    }

    fn need(&self, at: &str) -> Result<CommitSha, GithubError> {
        self.find(at).ok_or_else(|| GithubError::NotFound {
            operation: "find it".into(),
            object: at.to_owned(),
            permission: "contents: read",
        })
    }

    pub(super) fn files(&self, at: &str) -> &Files {
        &self.commits[&self.find(at).unwrap()].files
    }

    pub(super) fn message(&self, at: &str) -> &str {
        &self.commits[&self.find(at).unwrap()].commit.message
    }

    fn follow(&mut self) {
        for pull in &mut self.pulls {
            if pull.details.state == PullRequestState::Open {
                match self.branches.get(&pull.details.request.head) {
                    Some(sha) => pull.details.request.head_sha = sha.clone(),
                    None => pull.close(),
                }
            }
        }
    }

    fn pull(&mut self, number: u64) -> &mut FakePull {
        let index = usize::try_from(number).unwrap() - 1;
        &mut self.pulls[index]
    }

    pub(super) fn open(&self) -> Vec<u64> {
        let open = |pull: &&FakePull| pull.details.state == PullRequestState::Open;
        let open = self.pulls.iter().filter(open);
        open.map(|pull| pull.details.request.number).collect()
    }

    pub(super) fn bot_branches(&self) -> Vec<String> {
        let names = self.branches.keys().filter(|name| *name != "dev");
        names.cloned().collect()
    }
}

impl Fake {
    pub(super) fn new(files: Files) -> Self {
        let mut state = State {
            bot: "pins[bot]".to_owned(),
            ..State::default()
        };
        let first = state.commit(Vec::new(), files, "first", "ann");
        state.branches.insert("dev".to_owned(), first);
        Self {
            state: Mutex::new(state),
            seed: Mutex::new(1),
        }
    }

    pub(super) fn seeded(self, seed: u64) -> Self {
        *self.seed.lock().unwrap() = seed | 1;
        self
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A person's commit on a branch, with these files changed.
    pub(super) fn push(&self, branch: &str, by: &str, changes: &[(&str, &str)]) -> CommitSha {
        let mut state = self.state();
        let head = state.branches[branch].clone();
        let mut files = state.commits[&head].files.clone();
        for (path, text) in changes {
            files.insert((*path).to_owned(), text.as_bytes().to_vec());
        }
        let sha = state.commit(vec![head], files, "by hand", by);
        state.branches.insert(branch.to_owned(), sha.clone());
        sha
    }

    /// A person's commit that takes a file away.
    pub(super) fn remove(&self, branch: &str, path: &str) {
        let mut state = self.state();
        let head = state.branches[branch].clone();
        let mut files = state.commits[&head].files.clone();
        files.remove(path);
        let sha = state.commit(vec![head], files, "by hand", "ann");
        state.branches.insert(branch.to_owned(), sha);
    }

    /// Another message for the last commit of a branch.
    pub(super) fn reword(&self, branch: &str, message: &str) -> CommitSha {
        let mut state = self.state();
        let sha = state.branches[branch].clone();
        let bot = person(&state.bot);
        let commit = &mut state.commits.get_mut(&sha).unwrap().commit;
        commit.message = message.to_owned();
        (commit.author, commit.committer) = (bot.clone(), bot);
        sha
    }

    /// Merges the base branch into another, as the button "Update branch" does.
    pub(super) fn update(&self, branch: &str, by: &str) -> CommitSha {
        let mut state = self.state();
        let (head, dev) = (
            state.branches[branch].clone(),
            state.branches["dev"].clone(),
        );
        let mut files = state.commits[&dev].files.clone();
        let pins = state.commits[&head].files.clone();
        files.extend(
            pins.into_iter()
                .filter(|(path, _)| path.starts_with("registry/")),
        );
        let sha = state.commit(vec![head, dev], files, "Merge branch 'dev'", by);
        state.branches.insert(branch.to_owned(), sha.clone());
        sha
    }

    /// A person's change of the last commit of a branch, with its message and in its maker's name.
    pub(super) fn amend(&self, branch: &str, changes: &[(&str, &str)]) -> CommitSha {
        let mut state = self.state();
        let Object { commit, mut files } = state.commits[&state.branches[branch]].clone();
        for (path, text) in changes {
            files.insert((*path).to_owned(), text.as_bytes().to_vec());
        }
        let sha = state.commit(commit.parents, files, &commit.message, &commit.author.name);
        state.branches.insert(branch.to_owned(), sha.clone());
        sha
    }

    /// A commit on no branch, after another.
    pub(super) fn aside(&self, after: &CommitSha) -> CommitSha {
        let mut state = self.state();
        let files = state.commits[after].files.clone();
        state.commit(vec![after.clone()], files, "aside", "ann")
    }

    /// Merges a pull request with a merge commit.
    pub(super) fn merge_whole(&self, number: u64) {
        let merged = self.merge(number);
        let mut state = self.state();
        let head = state.pull(number).details.request.head_sha.clone();
        let object = state.commits.get_mut(&merged).unwrap();
        object.commit.parents.push(head);
    }

    /// Merges a pull request as one new commit.
    pub(super) fn merge(&self, number: u64) -> CommitSha {
        let mut state = self.state();
        state.follow();
        let head = state.pull(number).details.request.head_sha.clone();
        let mut files = state.files("dev").clone();
        files.extend(state.commits[&head].files.clone());
        let dev = state.branches["dev"].clone();
        let sha = state.commit(vec![dev], files, "merged", "ann");
        state.branches.insert("dev".to_owned(), sha.clone());
        let details = &mut state.pull(number).details;
        details.state = PullRequestState::Merged;
        details.closed_at = Some(Timestamp::now());
        sha
    }

    async fn call(&self, name: &'static str) -> Result<(), GithubError> {
        let turns = {
            let mut seed = self.seed.lock().unwrap();
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            *seed % 8
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let mut state = self.state();
        state.follow();
        *state.calls.entry(name).or_default() += 1;
        match state.failing.get_mut(name) {
            Some(0) => Err(GithubError::Server {
                operation: name.to_owned(),
                status: 502,
                message: "down".into(),
            }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Forge for Fake {
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
        let check = |sha: &CommitSha| match self.state().branches.get(branch) {
            Some(there) if there == sha => Ok(()),
            _ => Err(GithubError::Moved {
                operation: "move it".into(),
                message: String::new(),
            }),
        };
        self.call("replace_branch").await?;
        check(expected)?;
        // As on GitHub, others may write in between.
        self.call("force").await?;
        let sha = new.clone();
        self.state().branches.insert(branch.to_owned(), sha);
        self.call("check").await?;
        check(new)
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
            files: new
                .iter()
                .filter(|(path, bytes)| old.get(*path) != Some(*bytes))
                .map(|(path, _)| path.clone())
                .collect(),
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
        Ok(CombinedStatus {
            state: StatusState::Pending,
            statuses: said.map(|(_, status)| status.clone()).collect(),
        })
    }

    async fn set_status(&self, sha: &CommitSha, status: &CommitStatus) -> Result<(), GithubError> {
        self.call("set_status").await?;
        self.state().statuses.push((sha.clone(), status.clone()));
        Ok(())
    }
}
