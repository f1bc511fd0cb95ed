use github::{Ahead, Commit, CommitSha, CreatedCommit, Person};

use super::forge::Forge;
use super::marker::SOURCE;
use crate::FactoryError;

/// The address with which GitHub commits what it makes for somebody.
const GITHUB: &str = "noreply@github.com";

/// Whose commits on a bot branch are the bot's own.
#[derive(Clone, Debug)]
pub(super) enum Maker {
    /// The maker of the commit that was just made.
    Of(Box<Commit>),
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
        Ok(Self::Of(Box::new(commit)))
    }

    fn made(&self, commit: &Commit) -> bool {
        match self {
            Self::Of(own) => own.author.is(&commit.author) && own.committer.is(&commit.committer),
            Self::Account(login) => {
                let is_it =
                    |person: &Person| person.login.as_ref().unwrap_or(&person.name) == login;
                is_it(&commit.author)
                    && (is_it(&commit.committer) || commit.committer.email == GITHUB)
            }
        }
    }

    /// Who else than the bot has commits there: writing to the branch would lose them. A commit
    /// is the bot's if it has the bot's trailer, author and committer (who changes when a person
    /// amends it).
    pub(super) fn stranger_in(&self, ahead: &Ahead) -> Option<String> {
        let foreign = |commit: &&Commit| commit.trailer(SOURCE).is_none() || !self.made(commit);
        if let Some(commit) = ahead.commits.iter().find(foreign) {
            let Person { login, name, .. } = match self {
                Self::Of(own) if own.author.is(&commit.author) => &commit.committer,
                _ => &commit.author,
            };
            return Some(login.as_ref().unwrap_or(name).clone());
        }
        // The bot's branches have one commit, not a hundred.
        let seen = u64::try_from(ahead.commits.len()).unwrap_or(u64::MAX);
        (ahead.ahead_by > seen).then(|| "somebody".to_owned())
    }

    pub(super) async fn stranger<F: Forge>(
        &self,
        forge: &F,
        base: &CommitSha,
        head: &CommitSha,
    ) -> Result<Option<String>, FactoryError> {
        let ahead = forge.ahead(base.as_str(), head.as_str()).await?;
        Ok(self.stranger_in(&ahead))
    }
}
