//! What people do on the forge.

use github::{CommitSha, PullRequestState};
use jiff::Timestamp;

use super::Fake;
use super::state::{Object, State, person};

impl State {
    /// A person's commit on a branch, with these files changed.
    pub(in crate::pin::tests) fn push(
        &mut self,
        branch: &str,
        by: &str,
        changes: &[(&str, &str)],
    ) -> CommitSha {
        let head = self.branches[branch].clone();
        let mut files = self.commits[&head].files.clone();
        for (path, text) in changes {
            files.insert((*path).to_owned(), text.as_bytes().to_vec());
        }
        let sha = self.commit(vec![head], files, "by hand", by);
        self.branches.insert(branch.to_owned(), sha.clone());
        sha
    }
}

impl Fake {
    /// A person's commit on a branch, with these files changed.
    pub(in crate::pin::tests) fn push(
        &self,
        branch: &str,
        by: &str,
        changes: &[(&str, &str)],
    ) -> CommitSha {
        self.state().push(branch, by, changes)
    }

    /// A person's commit that takes a file away.
    pub(in crate::pin::tests) fn remove(&self, branch: &str, path: &str) {
        let mut state = self.state();
        let head = state.branches[branch].clone();
        let mut files = state.commits[&head].files.clone();
        files.remove(path);
        let sha = state.commit(vec![head], files, "by hand", "ann");
        state.branches.insert(branch.to_owned(), sha);
    }

    /// Another message for the last commit of a branch.
    pub(in crate::pin::tests) fn reword(&self, branch: &str, message: &str) -> CommitSha {
        let mut state = self.state();
        let sha = state.branches[branch].clone();
        let bot = person(&state.bot);
        let commit = &mut state.commits.get_mut(&sha).unwrap().commit;
        commit.message = message.to_owned();
        (commit.author, commit.committer) = (bot.clone(), bot);
        sha
    }

    /// Merges the base branch into another, as the button "Update branch" does.
    pub(in crate::pin::tests) fn update(&self, branch: &str, by: &str) -> CommitSha {
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

    /// A person's change of the last commit of a branch, with its message and its author.
    pub(in crate::pin::tests) fn amend(
        &self,
        branch: &str,
        by: &str,
        changes: &[(&str, &str)],
    ) -> CommitSha {
        let mut state = self.state();
        let Object { commit, mut files } = state.commits[&state.branches[branch]].clone();
        for (path, text) in changes {
            files.insert((*path).to_owned(), text.as_bytes().to_vec());
        }
        let sha = state.commit(commit.parents, files, &commit.message, by);
        let amended = &mut state.commits.get_mut(&sha).unwrap().commit;
        amended.author = commit.author;
        state.branches.insert(branch.to_owned(), sha.clone());
        sha
    }

    /// A commit on no branch, after another.
    pub(in crate::pin::tests) fn aside(&self, after: &CommitSha) -> CommitSha {
        let mut state = self.state();
        let files = state.commits[after].files.clone();
        state.commit(vec![after.clone()], files, "aside", "ann")
    }

    /// Merges a pull request with a merge commit.
    pub(in crate::pin::tests) fn merge_whole(&self, number: u64) {
        let merged = self.merge(number);
        let mut state = self.state();
        let head = state.pull(number).details.request.head_sha.clone();
        let object = state.commits.get_mut(&merged).unwrap();
        object.commit.parents.push(head);
    }

    /// Merges a pull request as one new commit.
    pub(in crate::pin::tests) fn merge(&self, number: u64) -> CommitSha {
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

    /// Closes a pull request.
    pub(in crate::pin::tests) fn close(&self, number: u64) {
        self.state().pull(number).close();
    }
}
