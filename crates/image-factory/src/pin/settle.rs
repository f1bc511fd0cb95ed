use std::path::Path;

use github::{CommitSha, GithubError, NewPullRequest, PullRequestUpdate};

use super::changes::PinChange;
use super::cover::FILES;
use super::forge::Forge;
use super::marker::Marker;
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

/// The pull request that was just opened or brought up to date.
pub(super) struct Written<'w> {
    pub(super) number: u64,
    /// Where its branch points.
    pub(super) head: &'w CommitSha,
    /// What its text says.
    pub(super) marker: &'w Marker,
}

/// How pins stand beside requests that come before theirs.
#[derive(Default)]
pub(super) struct Beside<'r> {
    /// The request that leaves nothing to propose.
    pub(super) instead: Option<&'r Rival>,
    /// The pins in files that a run for some of the processors proposes: the rest is ours to propose.
    pub(super) taken: Vec<PinChange>,
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
                self.progress(&options.branch, &format!("pull request {}", opened.url));
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

    /// How our pins stand beside requests that come before ours.
    pub(super) async fn beside<'r>(
        &self,
        scene: &Scene<'a, F>,
        newer: &[&'r Rival],
        changes: &[PinChange],
    ) -> Result<Beside<'r>, FactoryError> {
        let mut beside = Beside::default();
        for rival in newer {
            let (base, head) = (scene.base_head.as_str(), rival.head_sha().as_str());
            let files = self.forge.ahead(base, head).await?.files;
            let has = |change: &&PinChange| files.iter().any(|file| Path::new(file) == change.file);
            let taken: Vec<&PinChange> = changes.iter().filter(has).collect();
            let all = rival.marker.whole
                || rival.head() == self.options.branch
                || files.len() >= FILES
                || taken.len() == changes.len();
            if all {
                beside.instead = Some(rival);
                break;
            }
            beside.taken.extend(taken.into_iter().cloned());
        }
        if !changes.is_empty() && changes.iter().all(|change| beside.taken.contains(change)) {
            beside.instead = beside.instead.or(newer.first().copied());
        }
        Ok(beside)
    }

    /// Reads what is open once more, now that ours is there: of two runs that opened theirs at the
    /// same time at least one sees both, and both judge alike.
    pub(super) async fn settle(
        &mut self,
        scene: &mut Scene<'a, F>,
        maker: &Maker,
        changes: &[PinChange],
        written: &Written<'_>,
    ) -> Result<Settled, FactoryError> {
        let Written {
            number,
            head,
            marker,
        } = *written;
        let rivals = pins(self.forge, self.options, true).await?;
        let (ours, others): (Vec<Rival>, Vec<Rival>) = rivals
            .into_iter()
            .partition(|rival| rival.number() == number);
        let branch_head = self.forge.branch_head(&self.options.branch).await?;
        let Some(ours) = ours
            .into_iter()
            .next()
            .filter(|ours| branch_head.as_ref() == Some(head) && ours.marker.pins_as(marker))
        else {
            // Another run closed it, or wrote to its branch or its text, and reading again tells which.
            return Ok(Settled::Again);
        };
        let (age, mine) = (scene.age, Some(number));
        let all: Vec<&Rival> = others.iter().collect();
        let ahead = newer(&mut scene.ages, &all, age, mine).await?;
        let beside = self.beside(scene, &ahead, changes).await?;
        if let Some(rival) = beside.instead {
            let words = format!("Superseded by #{}.", rival.number());
            if let Step::Again = self.retire(scene, &ours, maker, &words).await? {
                return Ok(Settled::Again);
            }
            self.end(PinAction::Superseded, rival);
            return Ok(Settled::Superseded);
        }
        let later = newer(&mut scene.ages, &all, age, None).await?;
        if !self.beside(scene, &later, changes).await?.taken.is_empty() {
            // They came meanwhile, and ours must leave out what they have.
            return Ok(Settled::Again);
        }
        let words = format!("Superseded by #{number}.");
        let older = |rival: &&Rival| !ahead.iter().any(|one| one.number() == rival.number());
        for rival in others.iter().filter(older) {
            if let Step::Again = self.retire(scene, rival, maker, &words).await? {
                return Ok(Settled::Again);
            }
        }
        Ok(Settled::Ours(Box::new(ours)))
    }
}
