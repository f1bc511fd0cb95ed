use std::time::Duration;

use registry_model::Digest;
use tokio_util::sync::CancellationToken;

use super::execute::Outcome;
use super::found;
use super::steps::Step;
use super::work::{Order, Work};
use crate::ModalError;
use crate::report::Deployed;

/// How long a caller who cancelled waits for what is live.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// What is live under the name of an app, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) version: Option<u32>,
    /// As far as the record knows.
    pub(crate) digest: Option<Digest>,
}

impl Work<'_> {
    /// What is live under the name of each app, in the order of the plan.
    pub(crate) async fn now(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Vec<Option<Now>>, ModalError> {
        let Order { control, plan, .. } = self.order;
        let mut all = Vec::new();
        let live = found::live(control, plan, cancel).await?;
        for (app, live) in plan.apps.iter().zip(live) {
            let Some(live) = live else {
                all.push(None);
                continue;
            };
            let mark = self.ledger.mark(&app.app).await;
            let mark = mark.filter(|mark| Some(mark.version) == live.version);
            all.push(Some(Now {
                version: live.version,
                digest: mark.map(|mark| mark.digest),
            }));
        }
        Ok(all)
    }

    /// What is live after an interruption: asked for once more, but not for long.
    pub(crate) async fn last_look(&self, outcomes: &[&Outcome]) -> Vec<Option<Now>> {
        let uncancelled = CancellationToken::new();
        let now = self.now(&uncancelled);
        match tokio::time::timeout(LAST_LOOK, now).await {
            Ok(Ok(now)) => now,
            _ => self.presumed(outcomes),
        }
    }

    /// What must be live, as far as this run knows without asking again.
    fn presumed(&self, outcomes: &[&Outcome]) -> Vec<Option<Now>> {
        let apps = self.steps.apps.iter().zip(outcomes).zip(&self.former);
        let presumed = apps.map(|((step, outcome), former)| match outcome.deployed {
            Deployed::Deployed | Deployed::Unchanged | Deployed::RolledOver | Deployed::Current => {
                Some(Now {
                    version: outcome.version,
                    digest: Some(step.image.digest.clone()),
                })
            }
            Deployed::Held | Deployed::Superseded | Deployed::Failed => {
                let mark = former.as_ref();
                let mark = mark.filter(|mark| Some(mark.version) == step.version);
                step.version.map(|version| Now {
                    version: Some(version),
                    digest: mark.map(|mark| mark.digest.clone()),
                })
            }
        });
        presumed.collect()
    }

    /// The apps that this run left in order and that are something else by now, although no newer
    /// run has begun and nobody holds them: an older one, or a person, deployed them in the
    /// meantime.
    pub(crate) async fn lost(
        &self,
        outcomes: &[&Outcome],
        now: &[Option<Now>],
    ) -> Result<Vec<usize>, ModalError> {
        let lost: Vec<usize> = outcomes
            .iter()
            .zip(now)
            .enumerate()
            .filter(|(_, (outcome, now))| {
                let ours = outcome.error.is_none() && outcome.deployed != Deployed::Held;
                let live = now.as_ref().and_then(|now| now.version);
                ours && outcome.version.is_some() && live != outcome.version
            })
            .map(|(index, _)| index)
            .collect();
        let mut ours = Vec::new();
        for index in lost {
            let app = &self.order.plan.apps[index];
            if self.stop(app).await?.is_none() {
                ours.push(index);
            }
        }
        Ok(ours)
    }

    /// Deploys an app that was lost once more.
    pub(crate) async fn again(&mut self, index: usize, now: Option<&Now>) -> Outcome {
        let live = now.and_then(|now| now.version);
        let what = live.map_or("what was deployed is gone".to_owned(), |version| {
            format!("somebody else deployed version {version} during this run")
        });
        let step = &mut self.steps.apps[index];
        step.step = Step::Deploy;
        step.why.push(what);
        self.timed(index, true).await
    }

    /// Gives up on an app that somebody else deploys over and over.
    pub(crate) fn give_up(&self, index: usize, now: Option<&Now>) -> ModalError {
        let app = &self.order.plan.apps[index];
        let live = now.and_then(|now| now.version);
        let live = live.map_or("it is gone".to_owned(), |version| {
            format!("version {version} is live")
        });
        self.read_back_error(app, format!("somebody else keeps deploying it, and {live}"))
    }
}
