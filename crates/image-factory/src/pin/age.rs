use std::collections::BTreeMap;

use github::{CommitSha, GithubError};

use super::forge::Forge;
use crate::FactoryError;

/// How new a source commit is: a total order that every run computes alike, so that of any number
/// of runs the same one wins, in whatever order they finish.
///
/// A commit that is in the base branch is newer than one that is not: the latter is of code that the
/// branch does not have (any more). Apart from that, a commit is newer than those it follows: it has
/// more commits before it. Commits that follow neither each other may have the same age; then the
/// later pull request wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    /// Whether GitHub knows it and a common past.
    known: bool,
    in_base: bool,
    /// How many commits it has before it, less a number that is the same for all.
    commits: i64,
}

impl Age {
    /// Whether the base branch has the commit.
    pub(super) fn is_in_base(self) -> bool {
        self.in_base
    }
}

/// The ages of commits, each asked for once.
pub(super) struct Ages<'a, F> {
    forge: &'a F,
    base: CommitSha,
    known: BTreeMap<CommitSha, Age>,
}

impl<'a, F: Forge> Ages<'a, F> {
    pub(super) fn new(forge: &'a F, base: CommitSha) -> Self {
        Self {
            forge,
            base,
            known: BTreeMap::new(),
        }
    }

    pub(super) async fn of(&mut self, source: &CommitSha) -> Result<Age, FactoryError> {
        if let Some(age) = self.known.get(source) {
            return Ok(*age);
        }
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX / 2);
        let age = match self
            .forge
            .compare(self.base.as_str(), source.as_str())
            .await
        {
            Ok(found) => Age {
                known: true,
                in_base: found.ahead_by == 0,
                commits: count(found.ahead_by) - count(found.behind_by),
            },
            // Nobody may have it any more after a forced push.
            Err(GithubError::NotFound { .. }) => Age {
                known: false,
                in_base: false,
                commits: 0,
            },
            Err(error) => return Err(error.into()),
        };
        self.known.insert(source.clone(), age);
        Ok(age)
    }
}
