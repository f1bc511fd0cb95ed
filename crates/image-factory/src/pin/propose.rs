use std::time::Duration;

use github::{CommitSha, GithubError, NewCommit, PullRequestUpdate};
use tokio_util::sync::CancellationToken;

use super::after::finish;
use super::age::{Age, Ages};
use super::branch::{Written, write_branch};
use super::changes::PinChanges;
use super::cover::lost;
use super::edits::{BaseFiles, Edits};
use super::forge::Forge;
use super::marker::{CONTENT, Hash, Marker};
use super::options::ProposeOptions;
use super::report::{PinAction, PinCommit, PinReport};
use super::rivals::{Rival, declined, newer, pins};
use super::settle::{self, Settled};
use super::strangers::Maker;
use super::text::{COMMIT, body};
use super::tidy;
use crate::FactoryError;

/// How often everything is read again and rebuilt when others write at the same time.
const ATTEMPTS: u32 = 5;
/// Merged pull requests that are asked for their age, the latest first.
const MERGED: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Proposes the pins as one commit and one pull request. Nothing to change means no commit, no
/// branch and no pull request.
///
/// The pins are set in the files as the base branch has them now, not as they are checked out: so
/// the proposal holds nothing but pins, even if the branch has moved on.
///
/// For each base branch there is one open pull request, however many runs propose at once, and it
/// is that of the newest source commit: a run whose source is older closes its own, the others close
/// theirs. A run for some of the processors closes only requests that have nothing but pins of these,
/// and an older run leaves out what it has. What an attempt that was killed has left is taken up or
/// removed by the next one. Requests and branches that a person has commits on are left alone, and so
/// are pins that a person declined by closing their request, except with
/// [`ProposeOptions::takeover`].
///
/// # Errors
/// When a file cannot be pinned safely (then nothing is proposed), the base branch does not have the
/// source, somebody's commits or pins would be lost, or the forge refuses.
pub async fn propose<F: Forge>(
    forge: &F,
    changes: &PinChanges,
    options: &ProposeOptions,
    cancel: &CancellationToken,
) -> Result<PinReport, FactoryError> {
    carry_out(forge, changes, options, Mode::Real, cancel).await
}

/// Whether what is done is done to the forge itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Real,
    /// The forge is one that keeps what is written to itself: there is no progress to tell.
    Dry,
}

/// The proposal itself, on a forge of either kind.
pub(super) async fn carry_out<F: Forge>(
    forge: &F,
    changes: &PinChanges,
    options: &ProposeOptions,
    mode: Mode,
    cancel: &CancellationToken,
) -> Result<PinReport, FactoryError> {
    if options.branch == options.base {
        return Err(FactoryError::PinBranch {
            branch: options.branch.clone(),
            base: options.base.clone(),
        });
    }
    let mut run = Run {
        forge,
        options,
        changes,
        mode,
        report: PinReport::new(&options.base, changes.clone()),
    };
    let work = async {
        for attempt in 1..=ATTEMPTS {
            if let Step::Done = run.attempt().await? {
                return Ok(());
            }
            tracing::debug!(attempt, "others write at the same time, reading again");
            tokio::time::sleep(PAUSE * attempt).await;
        }
        Err(FactoryError::PinsContended {
            base: options.base.clone(),
            attempts: ATTEMPTS,
        })
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            return Err(FactoryError::Cancelled { operation: "propose the pins" });
        }
        done = work => done?,
    }
    Ok(run.report)
}

pub(super) enum Step {
    Done,
    /// Others wrote at the same time: all must be read again.
    Again,
}

pub(super) struct Run<'a, F> {
    pub(super) forge: &'a F,
    pub(super) options: &'a ProposeOptions,
    pub(super) changes: &'a PinChanges,
    mode: Mode,
    pub(super) report: PinReport,
}

/// What an attempt sees of the repository, and what it wants.
pub(super) struct Scene<'a, F> {
    pub(super) base_head: CommitSha,
    pub(super) source: CommitSha,
    pub(super) age: Age,
    pub(super) ages: Ages<'a, F>,
}

/// What is proposed.
struct Proposal {
    edits: Edits,
    marker: Marker,
}

impl<'a, F: Forge> Run<'a, F> {
    async fn attempt(&mut self) -> Result<Step, FactoryError> {
        let (forge, options) = (self.forge, self.options);
        let base_head = forge.branch_head(&options.base).await?;
        let base_head = base_head.ok_or_else(|| GithubError::NotFound {
            operation: format!("propose pins for `{}`", options.base),
            object: format!("branch `{}`", options.base),
            permission: "contents: read",
        })?;
        let files = BaseFiles::read(forge, self.changes, &options.base, &base_head).await?;
        let mut ages = Ages::new(forge, base_head.clone());
        let source = options.source.clone().unwrap_or_else(|| base_head.clone());
        let age = ages.of(&source).await?;
        let outside = || FactoryError::PinSource {
            base: options.base.clone(),
            commit: source.short().to_owned(),
        };
        if !files.missing.is_empty() {
            if source == base_head {
                return Err(files.not_there());
            }
            if !age.is_in_base() {
                return Err(outside());
            }
            self.notice(files.are_gone());
        }
        let mut edits = files.edit(&self.changes.changes)?;
        let mut scene = Scene {
            base_head,
            source: source.clone(),
            age,
            ages,
        };
        let rivals = pins(forge, options, true).await?;
        if edits.changes.is_empty() {
            return self.nothing(&mut scene, &rivals).await;
        }
        // What is built from a topic branch is not what the base branch's own source gives.
        if !scene.age.is_in_base() {
            return Err(outside());
        }

        let closed = pins(forge, options, false).await?;
        if !edits.moved.is_empty() {
            let merged = closed.iter().filter(|rival| rival.is_merged());
            let merged: Vec<&Rival> = merged.take(MERGED).collect();
            let merged = newer(&mut scene.ages, &merged, scene.age, None).await?;
            if let Some(merged) = merged.first() {
                let keep = |change: &super::PinChange| !edits.moved.contains(change);
                let rest: Vec<_> = edits
                    .changes
                    .iter()
                    .filter(|one| keep(one))
                    .cloned()
                    .collect();
                self.notice(format!(
                    "`{}` has newer pins for {} of these images since pull request #{}",
                    options.base,
                    edits.moved.len(),
                    merged.number()
                ));
                edits = files.edit(&rest)?;
                if edits.changes.is_empty() {
                    return self.superseded(&mut scene, &rivals, merged).await;
                }
            }
        }
        let all: Vec<&Rival> = rivals.iter().collect();
        let ahead = newer(&mut scene.ages, &all, scene.age, None).await?;
        let beside = self.beside(&scene, &ahead, &edits.changes).await?;
        if let Some(rival) = beside.instead {
            return self.superseded(&mut scene, &rivals, rival).await;
        }
        if !beside.taken.is_empty() {
            let rest = edits.changes.iter();
            let rest: Vec<_> = rest
                .filter(|one| !beside.taken.contains(one))
                .cloned()
                .collect();
            self.notice(format!(
                "{} of these pins are left out: pull requests for newer commits have theirs",
                beside.taken.len()
            ));
            edits = files.edit(&rest)?;
        }
        self.report.changes.changes = edits.changes.clone();
        let marker = Marker {
            source: scene.source.clone(),
            digests: Hash::of_digests(&edits.changes),
            content: Hash::of_files(&edits.files),
            whole: self.changes.is_whole(),
        };
        if !options.takeover
            && let Some(rival) = declined(forge, &closed, &marker.digests).await?
        {
            self.notice(format!(
                "pull request #{} has the same pins and was closed by a person: it is not opened \
                 again (`--takeover` does)",
                rival.number()
            ));
            self.end(PinAction::Blocked, rival);
            return Ok(Step::Done);
        }
        let proposal = Proposal { edits, marker };
        for rival in &rivals {
            if self.has(&scene, rival, &proposal.marker).await? {
                return self.unchanged(&mut scene, &rivals, rival, &proposal).await;
            }
        }
        self.write(&mut scene, &rivals, proposal).await
    }

    /// Whether a pull request has these very pins.
    async fn has(
        &self,
        scene: &Scene<'_, F>,
        rival: &Rival,
        wanted: &Marker,
    ) -> Result<bool, FactoryError> {
        if !rival.marker.pins_as(wanted) {
            return Ok(false);
        }
        // The text may be older than the branch, if a run was killed between the two.
        let (base, head) = (scene.base_head.as_str(), rival.head_sha().as_str());
        let ahead = self.forge.ahead(base, head).await?;
        let content = |commit: &github::Commit| commit.trailer(CONTENT).map(str::to_owned);
        let last = ahead.commits.iter().rev().find_map(content);
        Ok(last.as_deref() == Some(wanted.content.as_str()))
    }

    async fn unchanged(
        &mut self,
        scene: &mut Scene<'a, F>,
        rivals: &[Rival],
        rival: &Rival,
        proposal: &Proposal,
    ) -> Result<Step, FactoryError> {
        let marker = &rival.marker;
        let repeated = marker.source == scene.source;
        if !repeated || (proposal.marker.whole && !marker.whole) {
            // Another run may have written to its branch and its text since it was read.
            let head = self.forge.branch_head(rival.head()).await?;
            if head.as_ref() != Some(rival.head_sha()) {
                return Ok(Step::Again);
            }
            // It stands for our source from now on: an older run must not take its place.
            let update = PullRequestUpdate {
                body: Some(proposal.marker.put(&rival.pull.body)),
                ..PullRequestUpdate::default()
            };
            let now = self.forge.update(rival.number(), &update).await?;
            if now.state != rival.pull.state {
                return Ok(Step::Again);
            }
        }
        let words = format!("Superseded by #{}.", rival.number());
        let maker = Maker::Account(rival.pull.author.clone());
        for other in rivals {
            let source = &other.marker.source;
            if other.number() != rival.number()
                && scene.ages.of(source).await? <= scene.age
                && let Step::Again = self.retire(scene, other, &maker, &words).await?
            {
                return Ok(Step::Again);
            }
        }
        self.end(PinAction::Unchanged, rival);
        tidy::branches(self, scene).await?;
        finish(self, rival, &rival.pull.author, repeated).await?;
        Ok(Step::Done)
    }

    /// Ours is older than `rival`: what an earlier attempt of ours opened goes.
    async fn superseded(
        &mut self,
        scene: &mut Scene<'a, F>,
        rivals: &[Rival],
        rival: &Rival,
    ) -> Result<Step, FactoryError> {
        let own = |one: &&Rival| {
            one.head() == self.options.branch
                && one.number() != rival.number()
                && one.marker.source == scene.source
        };
        if let Some(own) = rivals.iter().find(own) {
            let words = format!("Superseded by #{}.", rival.number());
            let maker = Maker::Account(own.pull.author.clone());
            if let Step::Again = self.retire(scene, own, &maker, &words).await? {
                return Ok(Step::Again);
            }
        }
        self.end(PinAction::Superseded, rival);
        Ok(Step::Done)
    }

    async fn nothing(
        &mut self,
        scene: &mut Scene<'a, F>,
        rivals: &[Rival],
    ) -> Result<Step, FactoryError> {
        self.report.changes.changes.clear();
        for rival in rivals {
            if tidy::is_empty(self, scene, rival).await? {
                let words = format!(
                    "Nothing is left to pin here: `{}` has the images of {}.",
                    self.options.base,
                    scene.source.short()
                );
                let maker = Maker::Account(rival.pull.author.clone());
                if let Step::Again = self.retire(scene, rival, &maker, &words).await? {
                    return Ok(Step::Again);
                }
            }
        }
        tidy::branches(self, scene).await?;
        Ok(Step::Done)
    }

    /// Commits, opens or updates the pull request, and sees to it that it is the only one.
    async fn write(
        &mut self,
        scene: &mut Scene<'a, F>,
        rivals: &[Rival],
        proposal: Proposal,
    ) -> Result<Step, FactoryError> {
        let (forge, options) = (self.forge, self.options);
        let Proposal { edits, marker } = proposal;
        let count = edits.files.len();
        let request = NewCommit {
            parent: scene.base_head.clone(),
            message: marker.message(COMMIT, &options.base),
            files: edits.files,
        };
        let made = forge.create_commit(&request).await?;
        let maker = Maker::of(forge, &made).await?;
        for rival in rivals {
            let (base, head) = (&scene.base_head, rival.head_sha());
            let ahead = forge.ahead(base.as_str(), head.as_str()).await?;
            let place = || format!("pull request #{}", rival.number());
            if !options.takeover
                && let Some(by) = maker.stranger(forge, &ahead).await?
            {
                tidy::say_left_alone(forge, rival).await?;
                return Err(FactoryError::PinsBlocked { place: place(), by });
            }
            if rival.head() == options.branch
                && let Some(what) = lost(forge, self.changes, base, head, &ahead).await?
            {
                return Err(FactoryError::PinsPartial {
                    place: place(),
                    what,
                });
            }
        }
        let head = match write_branch(forge, options, scene, &maker, &marker, &made.sha).await? {
            Written::New => made.sha.clone(),
            Written::Over { by, head } => {
                self.say_lost(&by, &head, &options.branch);
                made.sha.clone()
            }
            Written::Before(sha) => sha,
            Written::Again => return Ok(Step::Again),
        };
        if head == made.sha {
            self.progress(&options.branch, &format!("committed {count} files"));
            self.report.commit = Some(PinCommit {
                sha: made.sha.clone(),
                parent: scene.base_head.clone(),
                branch: options.branch.clone(),
                verified: made.verified,
            });
        }
        let text = body(
            &edits.changes,
            &options.base,
            &scene.source,
            options.run_url.as_deref(),
        );
        let text = format!("{marker}\n{text}");
        let Some((number, action)) = self.open(&edits.changes, text, &head).await? else {
            return Ok(Step::Again);
        };
        let ours = settle::Written {
            number,
            head: &head,
            marker: &marker,
        };
        match self.settle(scene, &maker, &edits.changes, &ours).await? {
            Settled::Ours(ours) => {
                self.end(action, &ours);
                tidy::branches(self, scene).await?;
                finish(self, &ours, &made.author.name, false).await?;
                Ok(Step::Done)
            }
            Settled::Superseded => {
                self.report.commit = None;
                Ok(Step::Done)
            }
            Settled::Again => Ok(Step::Again),
        }
    }

    pub(super) fn progress(&self, item: &str, text: &str) {
        if self.mode == Mode::Real {
            tracing::info!(target: "pipeline::progress", stage = "pin", item, "{text}");
        }
    }

    /// Whether nothing is done to the forge itself.
    pub(super) fn is_dry(&self) -> bool {
        self.mode == Mode::Dry
    }

    /// Tells whose commits a takeover took off a branch, and where they can still be found.
    pub(super) fn say_lost(&mut self, by: &str, head: &CommitSha, branch: &str) {
        let are = if self.is_dry() { "would be" } else { "are" };
        self.notice(format!(
            "commits of {by} up to {} {are} no longer on `{branch}` (`--takeover`)",
            head.short()
        ));
    }

    pub(super) fn notice(&mut self, text: String) {
        if !self.report.notices.contains(&text) {
            self.report.notices.push(text);
        }
    }

    pub(super) fn end(&mut self, action: PinAction, about: &Rival) {
        self.report.action = action;
        self.report.pull_request = Some(about.pull.request.clone());
    }
}
