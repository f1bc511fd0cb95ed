use std::collections::{BTreeMap, BTreeSet};

use github::{
    Comment, Commit, CommitSha, CommitStatus, GithubError, Person, PullRequestDetails,
    PullRequestState,
};
use jiff::Timestamp;

use super::Files;

type Meanwhile = Box<dyn FnOnce(&mut State) + Send>;

#[derive(Default)]
pub(in crate::pin::tests) struct State {
    pub(super) commits: BTreeMap<CommitSha, Object>,
    pub(in crate::pin::tests) branches: BTreeMap<String, CommitSha>,
    pub(in crate::pin::tests) pulls: Vec<FakePull>,
    pub(in crate::pin::tests) statuses: Vec<(CommitSha, CommitStatus)>,
    pub(in crate::pin::tests) dispatched: Vec<(String, String)>,
    /// Calls that fail: the name, and how often they work before.
    pub(in crate::pin::tests) failing: BTreeMap<&'static str, usize>,
    pub(in crate::pin::tests) calls: BTreeMap<&'static str, usize>,
    /// How many files comparisons list, those that differ again and again.
    pub(in crate::pin::tests) listed: Option<usize>,
    /// What others do just before a call of that name.
    pub(in crate::pin::tests) meanwhile: BTreeMap<&'static str, Meanwhile>,
    /// Who makes commits and pull requests.
    pub(in crate::pin::tests) bot: String,
    /// The address of the forge as the committer of what the bot commits, if it signs that.
    pub(in crate::pin::tests) signer: Option<&'static str>,
}

#[derive(Clone)]
pub(super) struct Object {
    pub(super) commit: Commit,
    pub(super) files: Files,
}

#[derive(Clone)]
pub(in crate::pin::tests) struct FakePull {
    pub(in crate::pin::tests) details: PullRequestDetails,
    pub(in crate::pin::tests) comments: Vec<Comment>,
    pub(in crate::pin::tests) auto_merge: bool,
}

impl FakePull {
    pub(in crate::pin::tests) fn close(&mut self) {
        if self.details.state == PullRequestState::Open {
            self.details.state = PullRequestState::Closed;
            self.details.closed_at = Some(Timestamp::now());
        }
    }

    pub(in crate::pin::tests) fn reopen(&mut self) {
        self.details.state = PullRequestState::Open;
        self.details.closed_at = None;
    }
}

/// What somebody says now. An outsider is anybody but the people and Apps of these tests.
pub(in crate::pin::tests) fn comment(author: &str, body: &str) -> Comment {
    Comment {
        author: author.to_owned(),
        from_inside: author != "mallory",
        created: Timestamp::now(),
        body: body.to_owned(),
    }
}

pub(super) fn person(name: &str) -> Person {
    Person {
        login: Some(name.to_owned()),
        name: name.to_owned(),
        email: format!("{name}@example.com"),
    }
}

pub(super) fn rejected(message: &str) -> GithubError {
    GithubError::Rejected {
        operation: "do it".into(),
        status: 422,
        message: message.to_owned(),
    }
}

impl State {
    /// Adds a commit.
    pub(super) fn commit(
        &mut self,
        parents: Vec<CommitSha>,
        files: Files,
        message: &str,
        by: &str,
    ) -> CommitSha {
        let sha: CommitSha = format!("{:040x}", self.commits.len() + 1).parse().unwrap();
        let commit = Commit {
            sha: sha.clone(),
            tree: sha.to_string(),
            message: message.to_owned(),
            author: person(by),
            committer: person(by),
            parents,
        };
        self.commits.insert(sha.clone(), Object { commit, files });
        sha
    }

    pub(super) fn past(&self, of: &CommitSha) -> BTreeSet<CommitSha> {
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

    pub(super) fn need(&self, at: &str) -> Result<CommitSha, GithubError> {
        self.find(at).ok_or_else(|| GithubError::NotFound {
            operation: "find it".into(),
            object: at.to_owned(),
            permission: "contents: read",
        })
    }

    pub(in crate::pin::tests) fn files(&self, at: &str) -> &Files {
        &self.commits[&self.find(at).unwrap()].files
    }

    pub(in crate::pin::tests) fn message(&self, at: &str) -> &str {
        &self.commits[&self.find(at).unwrap()].commit.message
    }

    pub(super) fn list(&self, files: Vec<String>) -> Vec<String> {
        match self.listed {
            Some(count) if !files.is_empty() => files.into_iter().cycle().take(count).collect(),
            _ => files,
        }
    }

    pub(super) fn follow(&mut self) {
        for pull in &mut self.pulls {
            if pull.details.state == PullRequestState::Open {
                match self.branches.get(&pull.details.request.head) {
                    Some(sha) => pull.details.request.head_sha = sha.clone(),
                    None => pull.close(),
                }
            }
        }
    }

    pub(super) fn pull(&mut self, number: u64) -> &mut FakePull {
        let index = usize::try_from(number).unwrap() - 1;
        &mut self.pulls[index]
    }

    pub(in crate::pin::tests) fn open(&self) -> Vec<u64> {
        let open = |pull: &&FakePull| pull.details.state == PullRequestState::Open;
        let open = self.pulls.iter().filter(open);
        open.map(|pull| pull.details.request.number).collect()
    }

    pub(in crate::pin::tests) fn bot_branches(&self) -> Vec<String> {
        let names = self.branches.keys().filter(|name| *name != "dev");
        names.cloned().collect()
    }
}
