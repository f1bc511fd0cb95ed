use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use github::{Ahead, Commit, CommitSha, CreatedCommit, FileChange, Person};

use super::cover::FILES;
use super::edits::READS;
use super::forge::Forge;
use super::marker::{CONTENT, Hash, SOURCE};
use crate::FactoryError;

/// What the login of an App ends with; nobody else's can.
const APP: &str = "[bot]";
/// The account with which GitHub commits what it makes for somebody. On a GitHub Enterprise Server
/// the address is of another host.
const GITHUB: (&str, &str, &str) = ("web-flow", "GitHub", "noreply@");

/// Whose commits on a bot branch are the bot's own, besides those of Apps.
#[derive(Clone, Debug)]
pub(super) enum Maker {
    /// The author of the commit that was just made.
    Of(Person),
    /// The account that opened the pull request.
    Account(String),
}

impl Maker {
    /// The maker of a commit that was just made.
    pub(super) async fn of<F: Forge>(
        forge: &F,
        made: &CreatedCommit,
    ) -> Result<Self, FactoryError> {
        // The Git Data API, which made it, does not tell the accounts.
        let commit = forge.commit(made.sha.as_str()).await?;
        Ok(Self::Of(commit.author))
    }

    /// Whether a commit is in the bot's name, and nobody else has made it since: the author stays
    /// when a person amends it, the committer does not.
    pub(super) fn made(&self, commit: &Commit) -> bool {
        let Commit {
            author, committer, ..
        } = commit;
        self.is(author) && (author.is(committer) || is_github(committer))
    }

    fn is(&self, author: &Person) -> bool {
        // The token may be of another kind today than when the commit was made.
        is_app(author)
            || match self {
                Self::Of(own) => own.is(author),
                Self::Account(login) => author.login.as_ref().unwrap_or(&author.name) == login,
            }
    }

    /// Who else than the bot has commits there: writing to the branch would lose them. A commit
    /// is the bot's if it has the bot's trailer, author and committer (who changes when a person
    /// amends it). One that only merges the base branch, as the button "Update branch" does, loses
    /// nothing, unless it changes other files on the way.
    pub(super) async fn stranger<F: Forge>(
        &self,
        forge: &F,
        ahead: &Ahead,
    ) -> Result<Option<String>, FactoryError> {
        // The bot's branches have one commit, not a hundred.
        let seen = u64::try_from(ahead.commits.len()).unwrap_or(u64::MAX);
        if ahead.ahead_by > seen {
            return Ok(Some("somebody".to_owned()));
        }
        let (updates, commits): (Vec<&Commit>, Vec<&Commit>) = ahead
            .commits
            .iter()
            .partition(|commit| is_update(commit, ahead));
        for commit in &commits {
            let own = commit.trailer(SOURCE).is_some() && self.made(commit);
            if !own || !is_app(&commit.author) && !is_as_made(forge, commit).await? {
                let Person { login, name, .. } = match self.is(&commit.author) {
                    true if !is_github(&commit.committer) => &commit.committer,
                    _ => &commit.author,
                };
                return Ok(Some(login.as_ref().unwrap_or(name).clone()));
            }
        }
        // A merge can hold work of its own: files that no commit of the bot's has changed.
        let Some(update) = updates.last() else {
            return Ok(None);
        };
        let mut pinned = BTreeSet::new();
        for commit in &commits {
            pinned.extend(changed_by(forge, commit).await?.unwrap_or_default());
        }
        let is_more = ahead.files.iter().any(|file| !pinned.contains(file));
        let Person { login, name, .. } = &update.author;
        let by = || login.as_ref().unwrap_or(name).clone();
        Ok((is_more && pinned.len() < FILES).then(by))
    }
}

fn is_app(person: &Person) -> bool {
    person
        .login
        .as_ref()
        .is_some_and(|login| login.ends_with(APP))
}

fn is_github(person: &Person) -> bool {
    let (login, name, address) = GITHUB;
    match &person.login {
        Some(own) => own == login,
        None => person.name == name && person.email.starts_with(address),
    }
}

/// Whether a commit merges what the base branch has into the branch. All commits that the base
/// branch has not are in `ahead`.
fn is_update(commit: &Commit, ahead: &Ahead) -> bool {
    let is_ahead = |sha: &CommitSha| ahead.commits.iter().any(|one| one.sha == *sha);
    match commit.parents.as_slice() {
        [ours, theirs @ ..] => !theirs.is_empty() && is_ahead(ours) && !theirs.iter().any(is_ahead),
        [] => false,
    }
}

/// The files that a commit changes; none of a merge's.
async fn changed_by<F: Forge>(
    forge: &F,
    commit: &Commit,
) -> Result<Option<Vec<String>>, FactoryError> {
    match commit.parents.as_slice() {
        [parent] => {
            let ahead = forge.ahead(parent.as_str(), commit.sha.as_str()).await?;
            Ok(Some(ahead.files))
        }
        _ => Ok(None),
    }
}

/// Whether the files of a commit are those that its message tells. A person whose token the bot uses
/// is author and committer of what they amend, too.
async fn is_as_made<F: Forge>(forge: &F, commit: &Commit) -> Result<bool, FactoryError> {
    let Some(changed) = changed_by(forge, commit).await? else {
        return Ok(false);
    };
    let at = commit.sha.as_str();
    if changed.len() >= FILES {
        return Ok(true);
    }
    let read = |path: String| async move {
        let bytes = forge.read_file(at, &path).await?;
        Ok::<_, FactoryError>(bytes.map(|bytes| FileChange {
            path,
            bytes,
            executable: false,
        }))
    };
    let read: Vec<Option<FileChange>> = stream::iter(changed.into_iter().map(read))
        .buffered(READS)
        .try_collect()
        .await?;
    let Some(files) = read.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(false);
    };
    Ok(commit.trailer(CONTENT) == Some(Hash::of_files(&files).as_str()))
}
