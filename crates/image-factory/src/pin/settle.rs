use github::{CommitSha, GithubError, NewPullRequest, PullRequestUpdate};

use super::changes::PinChange;
use super::forge::Forge;
use super::propose::{Run, Scene, Step};
use super::report::PinAction;
use super::rivals::{Rival, newer, pins};
use super::strangers::Maker;
use super::text::title;
use crate::FactoryError;

/// How a pull request stands among the others.
pub(super) enum Settled {
    /// It is the only one.
    Ours(Box<Rival>),
    /// A newer one is open, and ours is closed.
    Superseded,
    /// Others wrote at the same time: all must be read again.
    Again,
}

impl<'a, F: Forge> Run<'a, F> {
    /// Opens the pull request, or brings the open one of the branch up to date.
    pub(super) async fn open(
        &self,
        changes: &[PinChange],
        text: String,
        head: &CommitSha,
    ) -> Result<Option<(u64, PinAction)>, FactoryError> {
        let (forge, options) = (self.forge, self.options);
        let title = title(changes);
        let open = forge
            .open_from(Some(&options.branch), Some(&options.base))
            .await?;
        if let Some(open) = open.first() {
            let update = PullRequestUpdate {
                title: Some(title),
                body: Some(text),
                base: None,
            };
            forge.update(open.number, &update).await?;
            return Ok(Some((open.number, PinAction::Updated)));
        }
        let request = NewPullRequest {
            title,
            body: text,
            head: options.branch.clone(),
            base: options.base.clone(),
            draft: options.draft,
        };
        match forge.open(&request).await {
            Ok(opened) => {
                tracing::info!(target: "pipeline::progress", stage = "pin", item = %options.branch, "pull request {}", opened.url);
                Ok(Some((opened.number, PinAction::Created)))
            }
            Err(GithubError::AlreadyExists { .. } | GithubError::Unchanged { .. }) => Ok(None),
            // Another run may have removed the branch, taking it for one that was left behind.
            Err(error @ GithubError::Rejected { status: 422, .. }) => {
                if forge.branch_head(&options.branch).await?.as_ref() == Some(head) {
                    return Err(error.into());
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what is open once more, now that ours is there: of two runs that opened theirs at the
    /// same time at least one sees both, and both judge alike.
    pub(super) async fn settle(
        &mut self,
        scene: &mut Scene<'a, F>,
        maker: &Maker,
        number: u64,
        head: &CommitSha,
    ) -> Result<Settled, FactoryError> {
        let rivals = pins(self.forge, self.options, true).await?;
        let (ours, others): (Vec<Rival>, Vec<Rival>) = rivals
            .into_iter()
            .partition(|rival| rival.number() == number);
        let branch_head = self.forge.branch_head(&self.options.branch).await?;
        let Some(ours) = ours
            .into_iter()
            .next()
            .filter(|_| branch_head.as_ref() == Some(head))
        else {
            // Another run closed it or wrote to its branch, and reading again tells which.
            return Ok(Settled::Again);
        };
        let (age, mine) = (scene.age, Some(number));
        let all: Vec<&Rival> = others.iter().collect();
        if let Some(rival) = newer(&mut scene.ages, &all, age, mine).await? {
            let words = format!("Superseded by #{}.", rival.number());
            if let Step::Again = self.retire(scene, &ours, maker, &words).await? {
                return Ok(Settled::Again);
            }
            self.end(PinAction::Superseded, rival);
            return Ok(Settled::Superseded);
        }
        let words = format!("Superseded by #{number}.");
        for rival in &others {
            if let Step::Again = self.retire(scene, rival, maker, &words).await? {
                return Ok(Settled::Again);
            }
        }
        Ok(Settled::Ours(Box::new(ours)))
    }
}
