//! What a rule is about, asked of the registry and of git.

use std::collections::BTreeSet;
use std::path::Path;

use promotion::{Change, Evidence, Meeting, PromotionPlan};
use receipts::{ReceiptsError, Store};
use registry_model::{Digest, PinnedImage, without_pins};
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
            evidence: Evidence {
                foreign: foreign(clone, plan, cancel).await?,
                ..Evidence::default()
            },
            join: false,
            notices: Vec::new(),
        };
        if partial {
            found.evidence.without_place = plan
                .moves()
                .filter(|one| one.file.is_none())
                .map(|one| (one.reference.clone(), one.place.clone()))
                .collect();
        } else {
            found.meet(clone, plan, to, cancel).await?;
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

    /// What a merge would make of the pins that the target has changed by itself.
    async fn meet(
        &mut self,
        clone: &Path,
        plan: &PromotionPlan,
        to: &Side,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let base = tree::git(clone)
            .args(["merge-base", plan.commit.as_str(), plan.target.as_str()])
            .run(cancel)
            .await;
        let base = match base {
            Ok(output) => output.stdout_text().trim().to_owned(),
            // GitHub says that they have nothing in common.
            Err(process::ProcessError::Failed { code: Some(1), .. }) => return Ok(()),
            Err(error) => return Err(process_failure(error, Exit::Input)),
        };
        // The target has nothing of its own; or the source has nothing that it has not.
        if base == plan.target.as_str() || base == plan.commit.as_str() {
            return Ok(());
        }
        let folder = tree::at(clone, &base, cancel).await?;
        // What was wrong there once must stop nobody now; after a merge the pins are read again.
        let base = match Side::of(folder, &plan.to, base.parse()?) {
            Ok(base) => base,
            Err(failure) => {
                let (from, to, why) = (&plan.from, &plan.to, &failure.error);
                self.notices.push(format!(
                    "what {to} changed by itself is not known: the last commit that it has in \
                     common with {from} cannot be read: failed to {why}"
                ));
                return Ok(());
            }
        };
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

/// What the target pins and the source never did.
async fn foreign(
    clone: &Path,
    plan: &PromotionPlan,
    cancel: &CancellationToken,
) -> Result<BTreeSet<Digest>, Failure> {
    // What both have came from the source.
    let current = plan.comparisons.iter();
    let current = current.filter(|one| !matches!(one.change, Change::Same { .. }));
    let current = current.filter_map(|one| one.change.current());
    let digests: BTreeSet<&Digest> = current.map(|image| &image.digest).collect();
    if digests.is_empty() {
        return Ok(BTreeSet::new());
    }
    let history = History::read(clone, plan.commit.as_str(), cancel).await?;
    if history.is_shallow() {
        let text = format!(
            "read all that `{}` has pinned: the clone has only the end of its history",
            plan.from
        );
        let hint = "run `git fetch --unshallow`; in a workflow, give actions/checkout \
                    `fetch-depth: 0`";
        return Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())));
    }
    let digests = digests.into_iter();
    Ok(digests
        .filter(|it| !history.contains(it))
        .cloned()
        .collect())
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
