use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::github::answer::ApiError;
use crate::github::identity::Actor;
use crate::github::repository::Repository;

/// The pull requests of a repository, oldest first.
#[derive(Debug, Default)]
pub(in crate::github) struct Pulls(Vec<Pull>);

/// A pull request between two branches of one repository.
#[derive(Clone, Debug)]
pub(in crate::github) struct Pull {
    pub(in crate::github) number: u64,
    pub(in crate::github) by: Actor,
    pub(in crate::github) title: String,
    pub(in crate::github) body: Option<String>,
    pub(in crate::github) head: String,
    pub(in crate::github) base: String,
    pub(in crate::github) draft: bool,
    /// Where the branches were when they were last looked at; they do not move any more once the
    /// request is closed.
    pub(in crate::github) head_sha: String,
    pub(in crate::github) base_sha: String,
    pub(in crate::github) created: Timestamp,
    pub(in crate::github) updated: Timestamp,
    pub(in crate::github) closed: Option<Timestamp>,
    /// The commit on the base branch that it was merged as, and by whom.
    pub(in crate::github) merged: Option<(String, Actor)>,
    pub(in crate::github) auto_merge: Option<AutoMerge>,
    /// By the name in lower case, the name as it was given first.
    pub(in crate::github) labels: BTreeMap<String, String>,
    /// Logins.
    pub(in crate::github) reviewers: Vec<String>,
    /// Slugs.
    pub(in crate::github) teams: Vec<String>,
    pub(in crate::github) comments: Vec<Comment>,
}

/// To be merged as soon as every requirement is met.
#[derive(Clone, Copy, Debug)]
pub(in crate::github) struct AutoMerge {
    pub(in crate::github) by: Actor,
    /// As the REST API names it: `merge`, `squash` or `rebase`.
    pub(in crate::github) method: &'static str,
}

/// What somebody said about a pull request.
#[derive(Clone, Debug)]
pub(in crate::github) struct Comment {
    pub(in crate::github) by: Actor,
    pub(in crate::github) body: String,
    pub(in crate::github) created: Timestamp,
}

impl Pulls {
    pub(in crate::github) fn get_mut(&mut self, number: u64) -> Result<&mut Pull, ApiError> {
        let mut all = self.0.iter_mut();
        all.find(|pull| pull.number == number)
            .ok_or_else(ApiError::not_found)
    }

    pub(in crate::github) fn iter(&self) -> impl Iterator<Item = &Pull> {
        self.0.iter()
    }

    pub(in crate::github) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pull> {
        self.0.iter_mut()
    }

    pub(super) fn add(&mut self, pull: Pull) {
        self.0.push(pull);
    }

    pub(super) fn open_between(&self, head: &str, base: &str) -> Option<&Pull> {
        let same = |pull: &&Pull| pull.is_open() && pull.head == head && pull.base == base;
        self.0.iter().find(same)
    }

    /// Closes what needs a branch that is about to go; `sha` is where it pointed.
    pub(in crate::github) fn branch_goes(&mut self, branch: &str, sha: &str) {
        for pull in self.0.iter_mut().filter(|pull| pull.is_open()) {
            if pull.head == branch {
                sha.clone_into(&mut pull.head_sha);
            }
            if pull.head == branch || pull.base == branch {
                pull.close();
            }
        }
    }
}

impl Pull {
    pub(in crate::github) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    pub(in crate::github) fn close(&mut self) {
        let now = Timestamp::now();
        self.closed = Some(now);
        self.updated = now;
        self.auto_merge = None;
    }

    /// Follows the branches of an open request.
    pub(in crate::github) async fn refresh(
        &mut self,
        repository: &Repository,
    ) -> Result<(), ApiError> {
        if self.is_open() {
            for (branch, sha) in [
                (&self.head, &mut self.head_sha),
                (&self.base, &mut self.base_sha),
            ] {
                let full = format!("refs/heads/{branch}");
                if let Some(now) = repository.git.read_ref(&full).await? {
                    *sha = now;
                }
            }
        }
        Ok(())
    }
}

pub(in crate::github) fn parse_number(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}
