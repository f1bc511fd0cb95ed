//! Requests and branches that have nothing to give any more.

use std::collections::BTreeMap;

use github::{CommitSha, GithubError};
use jiff::{SignedDuration, Timestamp};

use crate::branch;
use crate::run::{Run, Scope};
use crate::{Forge, PromotionError};

/// In the comment with which a request is closed.
const CLOSED: &str = "<!-- pipeline:promote-closed -->";
/// A comment that is older is about an earlier close.
const TOGETHER: SignedDuration = SignedDuration::from_mins(10);

/// What is behind an error, which by itself names the promotion only.
pub(crate) fn cause(error: &PromotionError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), ToString::to_string)
}

impl<F: Forge> Run<'_, F> {
    /// Closes what the target has by now, and deletes the branches: after everything was promoted
    /// those of all choices of processors, too. What is for a newer commit, or has commits of
    /// others, stays. Gives notice of what could not be done.
    pub(crate) async fn tidy(&self) -> Result<Vec<String>, PromotionError> {
        let branches = match self.options.scope {
            Scope::Some(_) => self.forge.starting_with(&self.branch).await,
            Scope::All { .. } => self.forge.starting_with(&branch::of_all(self.plan)).await,
        };
        let own = |name: &str| {
            let rest = name.strip_prefix(&self.branch);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let branches = branches.map_err(|error| self.failed(error))?;
        let branches: Vec<_> = branches.into_iter().filter(|(name, _)| own(name)).collect();
        let mut notices = Vec::new();
        if branches.is_empty() {
            return Ok(notices);
        }
        let open = self.open(None).await?;
        let open: BTreeMap<&str, u64> = open
            .iter()
            .filter(|it| it.from_here)
            .map(|it| (it.request.head.as_str(), it.request.number))
            .collect();
        for (name, tip) in branches {
            match self
                .retire(&name, &tip, open.get(name.as_str()).copied())
                .await
            {
                Ok(()) => {}
                Err(error) if error.is_cancelled() => return Err(error),
                // The promotion itself is done.
                Err(error) => notices.push(format!("branch `{name}` stays: {}", cause(&error))),
            }
        }
        Ok(notices)
    }

    async fn retire(
        &self,
        name: &str,
        tip: &CommitSha,
        request: Option<u64>,
    ) -> Result<(), PromotionError> {
        let failed = |error: GithubError| self.failed(error);
        let commit = self.forge.look_at(tip.as_str()).await.map_err(failed)?;
        let source = self.source_of(&commit).await?;
        let is_done = match source {
            Some(source) => !self.is_newer(&source).await?,
            None => false,
        };
        if !is_done {
            return Ok(());
        }
        if let Some(number) = request {
            let text = format!(
                "{CLOSED}\nNothing is left to promote here: `{}` has the pins of {}.",
                self.plan.to,
                self.plan.commit.short()
            );
            let since = Timestamp::now() - TOGETHER;
            let said = self.forge.say(number, CLOSED, Some(since), &text).await;
            said.map_err(failed)?;
            self.forge.close(number).await.map_err(failed)?;
            self.say(&format!("closed pull request {number}"));
        }
        self.forge.drop_branch(name, tip).await.map_err(failed)?;
        Ok(())
    }
}
