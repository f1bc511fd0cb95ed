//! What an image must have proven before it may run.

use std::collections::{BTreeMap, BTreeSet};

use receipts::verify::{Policy, Requirement, Verdict, bypass};
use receipts::{ReceiptsError, Store};
use registry_model::PinnedImage;
use tokio_util::sync::CancellationToken;

use crate::ModalError;
use crate::deploy::{AppStep, Step, Steps};
use crate::error::chain;

/// Receipts without which nothing is deployed.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Where they lie.
    pub store: Store,
    /// Which are believed. The repository is always that of the image.
    pub policy: Policy,
    /// Each of these must have been passed.
    pub require: Vec<Requirement>,
    /// Whether an image that somebody let into the environment against the rules needs none.
    pub accept_bypass: bool,
}

impl Gate {
    /// Makes sure that the image of every app that is touched has the receipts: one look-up an
    /// image. What is current or held stays as it is, and is not asked about.
    ///
    /// # Errors
    /// [`ModalError::NotProven`] with everything that is missing, failed, refused or cannot be
    /// asked for, [`ModalError::Cancelled`].
    pub async fn check(&self, steps: &Steps, cancel: &CancellationToken) -> Result<(), ModalError> {
        let touched = || {
            let apps = steps.apps.iter();
            apps.filter(|app| !matches!(app.step, Step::Current | Step::Held))
        };
        let images: BTreeSet<&PinnedImage> = touched().map(|app| &app.image).collect();
        if images.is_empty() || self.require.is_empty() {
            return Ok(());
        }
        let images: Vec<PinnedImage> = images.into_iter().cloned().collect();
        let judged = self.store.judge_many(&images, &self.policy, cancel).await;
        if cancel.is_cancelled() {
            let what = format!("look up the receipts for `{}`", steps.environment);
            return Err(ModalError::Cancelled { what });
        }
        let judged: BTreeMap<_, _> = images.iter().zip(judged).collect();
        let mut refused = Refused::default();
        for app in touched() {
            match judged.get(&app.image) {
                Some(Ok(verdicts))
                    if self.accept_bypass && bypass(verdicts, &steps.environment).is_some() => {}
                Some(Ok(verdicts)) => refused.compare(app, verdicts, &self.require),
                Some(Err(error)) => refused.unread(app, error),
                None => {}
            }
        }
        refused.end(steps)
    }
}

#[derive(Default)]
struct Refused {
    problems: Vec<String>,
    hint: Option<String>,
}

impl Refused {
    fn compare(&mut self, app: &AppStep, verdicts: &[Verdict], require: &[Requirement]) {
        for why in require.iter().filter_map(|one| one.lacks(verdicts)) {
            self.tell(app, &why);
            let image = &app.image;
            self.hint.get_or_insert_with(|| {
                format!(
                    "run the stage that leaves this receipt for the digest; `pipeline receipts \
                     {image}` shows what there is and which of it is believed, and \
                     `modal.require` of pipeline.yml says what must be"
                )
            });
        }
    }

    fn unread(&mut self, app: &AppStep, error: &ReceiptsError) {
        self.tell(app, &chain(error));
        self.hint = self.hint.take().or_else(|| error.hint());
    }

    fn tell(&mut self, app: &AppStep, why: &str) {
        let digest = app.image.digest.short();
        let problem = format!("{} ({digest}): {why}", app.reference);
        self.problems.push(problem);
    }

    fn end(self, steps: &Steps) -> Result<(), ModalError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(ModalError::NotProven {
            environment: steps.environment.clone(),
            problems: self.problems,
            hint: self.hint,
        })
    }
}
