//! What a rule is about, asked of the registry and of git.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use promotion::{Change, Evidence, Loss, Meeting, PromotionPlan};
use receipts::{ReceiptsError, Store};
use registry_model::{Digest, PinnedImage, ProcessorRef, without_pins};
use tokio_util::sync::CancellationToken;

use super::super::context::images;
use super::super::failures::process_failure;
use super::super::history::History;
use super::super::tree;
use super::side::Side;
use crate::exit::Exit;
use crate::ui::Failure;

/// What was found.
pub(super) struct Found {
    pub(super) evidence: Evidence,
    /// Whether both sides are to be joined in favour of the source.
    pub(super) join: bool,
    /// What a merge takes from the target.
    pub(super) losses: BTreeMap<ProcessorRef, Loss>,
    pub(super) notices: Vec<String>,
}

impl Found {
    pub(super) async fn look(
        clone: &Path,
        plan: &PromotionPlan,
        from: &Side,
        to: &Side,
        partial: bool,
        cancel: &CancellationToken,
    ) -> Result<Self, Failure> {
        let mut found = Self {
            evidence: Evidence::default(),
            join: false,
            losses: BTreeMap::new(),
            notices: Vec::new(),
        };
        let base = (plan.commit.as_str(), plan.target.as_str());
        let base = tree::merge_base(clone, base.0, base.1, cancel).await?;
        found.trace(clone, plan, base.as_deref(), cancel).await?;
        if partial {
            found.evidence.without_place = plan
                .moves()
                .filter(|one| one.file.is_none())
                .map(|one| (one.reference.clone(), one.place.clone()))
                .collect();
        } else if let Some(base) = base {
            found.meet(clone, plan, from, to, &base, cancel).await?;
        }
        found.judge(plan, from, to, cancel).await?;
        Ok(found)
    }

    /// Asks the registry for the receipts of what would move, once an image, and of what is in the
    /// way.
    async fn judge(
        &mut self,
        plan: &PromotionPlan,
        from: &Side,
        to: &Side,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let rules = to.config.promotion_rules(&from.standing.environment);
        let moving = plan.moves().filter_map(|one| one.change.target());
        let moving = moving.filter(|_| !rules.require.is_empty());
        let current = plan.comparisons.iter();
        let current = current.filter_map(|one| one.change.current());
        let foreign = current.filter(|it| self.evidence.foreign.contains(&it.digest));
        let asked: BTreeSet<&PinnedImage> = moving.chain(foreign).collect();
        let asked: Vec<PinnedImage> = asked.into_iter().cloned().collect();
        if asked.is_empty() {
            return Ok(());
        }
        let policy = to.config.receipts.policy(to.folder.path())?;
        let store = Store::new(images()?);
        let judged = store.judge_many(&asked, &policy, cancel).await;
        for (image, verdicts) in asked.into_iter().zip(judged) {
            let verdicts = match verdicts {
                Err(error) if error.is_cancelled() => return Err(error.into()),
                Err(error) => Err(told(&error)),
                Ok(verdicts) => Ok(verdicts),
            };
            self.evidence.judged.insert(image, verdicts);
        }
        Ok(())
    }

    /// Finds what the target pins and the source never did. What was the same in both, at `base`,
    /// the source has had.
    async fn trace(
        &mut self,
        clone: &Path,
        plan: &PromotionPlan,
        base: Option<&str>,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        // What both have came from the source.
        let current = plan.comparisons.iter();
        let current = current.filter(|one| !matches!(one.change, Change::Same { .. }));
        let current = current.filter_map(|one| one.change.current());
        let digests: BTreeSet<&Digest> = current.map(|image| &image.digest).collect();
        if digests.is_empty() {
            return Ok(());
        }
        let mut history = History::read(clone, plan.commit.as_str(), cancel).await?;
        if history.is_shallow() {
            let text = format!(
                "read all that `{}` has pinned: the clone has only the end of its history",
                plan.from
            );
            let hint = "run `git fetch --unshallow`; in a workflow, give actions/checkout \
                        `fetch-depth: 0`";
            return Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())));
        }
        if let Some(base) = base {
            history.add(clone, base, cancel).await?;
        }
        let digests = digests.into_iter();
        let foreign = digests.filter(|it| !history.contains(it)).cloned();
        self.evidence.foreign = foreign.collect();
        if history.is_too_long() && !self.evidence.foreign.is_empty() {
            self.notices.push(format!(
                "the registry files of {} have changed more than can be read: what was pinned long \
                 ago counts as never pinned",
                plan.from
            ));
        }
        Ok(())
    }

    /// What the source had at `base`, and gave up since then, a merge takes from the target.
    fn lose(&mut self, plan: &PromotionPlan, from: &Side, base: &Side) {
        // Nothing is merged then.
        if plan.is_empty() {
            return;
        }
        let is_enabled = |side: &Side, reference: &ProcessorRef| {
            let mut entries = side.registry.entries.iter();
            let entry = entries.find(|entry| entry.reference == *reference);
            entry.map(|entry| entry.enabled)
        };
        for one in &plan.comparisons {
            let loss = match (
                is_enabled(base, &one.reference),
                is_enabled(from, &one.reference),
            ) {
                (Some(_), None) => Loss::Removed,
                (Some(true), Some(false)) => Loss::Disabled,
                _ => continue,
            };
            let known = self.losses.insert(one.reference.clone(), loss);
            if known.is_none() {
                let notice = format!("{} {loss}: {} has given it up", one.reference, plan.from);
                self.notices.push(notice);
            }
        }
    }

    /// What a merge would make of the pins that the target has changed by itself.
    async fn meet(
        &mut self,
        clone: &Path,
        plan: &PromotionPlan,
        from: &Side,
        to: &Side,
        base: &str,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        // The source has nothing that the target has not; or the target has nothing of its own.
        if base == plan.commit.as_str() {
            return Ok(());
        }
        if base == plan.target.as_str() {
            self.lose(plan, from, to);
            return Ok(());
        }
        let folder = tree::at(clone, base, cancel).await?;
        // What was wrong there once must stop nobody now; after a merge the pins are read again.
        let base = match Side::of(folder, &plan.to, base.parse()?) {
            Ok(base) => base.counting(&to.counted),
            Err(failure) => {
                let (from, to, why) = (&plan.from, &plan.to, &failure.error);
                self.notices.push(format!(
                    "what {to} changed by itself is not known: the last commit that it has in \
                     common with {from} cannot be read: failed to {why}"
                ));
                return Ok(());
            }
        };
        self.lose(plan, from, &base);
        let Meeting {
            reverted,
            contested,
        } = promotion::meet(plan, &base.standing);
        self.evidence.reverted = reverted;
        if contested.is_empty() {
            return Ok(());
        }
        self.join = has_only_other_pins(clone, &base, to, cancel).await?;
        if !self.join {
            let names: Vec<String> = contested.iter().map(ToString::to_string).collect();
            self.notices.push(format!(
                "both {} and {} have changed {}, and {} has other changes of its own: GitHub will \
                 call it a conflict; merge `{}` into `{}` first",
                plan.from,
                plan.to,
                names.join(", "),
                plan.to,
                plan.to,
                plan.from
            ));
        }
        Ok(())
    }
}

/// Whether the target differs from `base` in nothing but pins of its registry files.
async fn has_only_other_pins(
    clone: &Path,
    base: &Side,
    to: &Side,
    cancel: &CancellationToken,
) -> Result<bool, Failure> {
    let (before, after) = (&base.standing.commit, &to.standing.commit);
    let changed = tree::git(clone)
        .args(["diff", "--name-only", "--no-renames", "-z"])
        .args([before.as_str(), after.as_str()])
        .run(cancel)
        .await
        .map_err(|error| process_failure(error, Exit::Input))?;
    let changed = changed.stdout_text();
    let blank = |side: &Side, file: &str| {
        let known = side.registry.entries.iter();
        let mut known = known.filter(|entry| entry.file == Path::new(file));
        known.next()?;
        let bytes = std::fs::read(side.folder.path().join(file)).ok()?;
        without_pins(&bytes).ok()
    };
    let mut files = changed.split('\0').filter(|file| !file.is_empty());
    Ok(files.all(|file| {
        let (before, after) = (blank(base, file), blank(to, file));
        before.is_some() && before == after
    }))
}

fn told(error: &ReceiptsError) -> String {
    let mut text = format!("failed to {error}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
