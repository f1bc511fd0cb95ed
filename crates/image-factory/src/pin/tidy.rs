use github::{CommitSha, GithubError, Person, PullRequestState};
use jiff::Timestamp;

use super::cover::{FILES, lost};
use super::forge::Forge;
use super::marker::{BASE, Marker, SOURCE};
use super::options::{BRANCH_PREFIX, ProposeOptions};
use super::propose::{Run, Scene, Step};
use super::rivals::{CLOSED, LEFT_ALONE, Rival, TOGETHER, closed_by_us, closed_from, pins};
use super::strangers::Maker;
use crate::FactoryError;

/// Branches without a request that are looked at in one run.
const LEFTOVERS: usize = 20;

impl<F: Forge> Run<'_, F> {
    /// Closes a request, unless a person has commits on it or it has pins that this run says nothing
    /// of, and deletes its branch.
    ///
    /// Says why in a comment first, so that nobody is left to guess if the run is killed in between.
    /// A run with a newer source may have taken the request over in this very moment, or a person
    /// may have pushed to it: then it is opened again, and all must be judged anew.
    pub(super) async fn retire(
        &mut self,
        scene: &mut Scene<'_, F>,
        rival: &Rival,
        maker: &Maker,
        words: &str,
    ) -> Result<Step, FactoryError> {
        let (forge, number) = (self.forge, rival.number());
        let (base, head) = (&scene.base_head, rival.head_sha());
        let ahead = forge.ahead(base.as_str(), head.as_str()).await?;
        let stranger = maker.stranger(forge, &ahead).await?;
        if !self.options.takeover
            && let Some(by) = stranger
        {
            say_left_alone(forge, rival).await?;
            self.notice(format!(
                "pull request #{number} has commits of {by} and is left alone (`--takeover` \
                 closes it)"
            ));
            return Ok(Step::Done);
        }
        if let Some(what) = lost(forge, self.changes, base, head, &ahead).await? {
            self.notice(format!(
                "pull request #{number} stays open, too: it pins {what}, which this run says \
                 nothing of"
            ));
            return Ok(Step::Done);
        }
        say_closed(forge, number, words).await?;
        let now = forge.close(number).await?;
        if now.state == PullRequestState::Merged {
            return Ok(Step::Again);
        }
        let is_newer = match Marker::find(&now.body) {
            Some(marker) if marker.source != rival.marker.source => {
                scene.ages.of(&marker.source).await? > scene.age
            }
            _ => false,
        };
        if is_newer || now.request.head_sha != *head {
            return match forge.reopen(number).await {
                // Who wrote to the branch may have deleted it since.
                Ok(_) | Err(GithubError::Rejected { status: 422, .. }) => Ok(Step::Again),
                Err(error) => Err(error.into()),
            };
        }
        if !self.report.closed.contains(&number) {
            self.report.closed.push(number);
        }
        self.progress(rival.head(), &format!("closed pull request #{number}"));
        if self.delete_branch(rival).await?
            && let Some(by) = stranger
        {
            self.say_lost(&by, head, rival.head());
        }
        Ok(Step::Done)
    }

    /// Deletes the branch of a request that was closed, unless a person opened another one from it:
    /// GitHub would close that, too. Says whether the branch is gone.
    async fn delete_branch(&mut self, rival: &Rival) -> Result<bool, FactoryError> {
        let (forge, branch) = (self.forge, rival.head());
        let delete = async {
            let open = forge.open_from(Some(branch), None).await?;
            let other = open.into_iter().find(|one| one.number != rival.number());
            let gone = other.is_none() && forge.delete_branch_at(branch, rival.head_sha()).await?;
            Ok((gone, other))
        };
        match delete.await {
            Ok((gone, None)) => Ok(gone),
            Ok((_, Some(other))) => {
                self.notice(format!(
                    "branch `{branch}` stays: pull request #{} is open from it",
                    other.number
                ));
                Ok(false)
            }
            Err(error) => {
                self.note_failure(&format!("branch `{branch}` stays"), error)?;
                Ok(false)
            }
        }
    }

    /// Tells of something that failed beside the pins themselves.
    pub(super) fn note_failure(
        &mut self,
        what: &str,
        error: GithubError,
    ) -> Result<(), FactoryError> {
        if error.is_cancelled() {
            return Err(error.into());
        }
        let hint = error.hint().map(|hint| format!(" ({hint})"));
        self.notice(format!("{what}: {error}{}", hint.unwrap_or_default()));
        Ok(())
    }
}

/// Says, once, why a request is neither updated nor closed.
pub(super) async fn say_left_alone<F: Forge>(forge: &F, rival: &Rival) -> Result<(), FactoryError> {
    let comment = format!(
        "{LEFT_ALONE}\nThis branch has commits that are not the bot's, so the bot neither writes to \
         it nor closes it, and proposes no other pins. Merge it or close it, or let the bot take it \
         over (`--takeover`)."
    );
    forge
        .comment_once(rival.number(), LEFT_ALONE, None, &comment)
        .await?;
    Ok(())
}

/// Says, beside a close, that it is the bot's. What was said of an earlier close does not count: a
/// person may have opened the request again.
async fn say_closed<F: Forge>(forge: &F, number: u64, words: &str) -> Result<(), FactoryError> {
    let comment = format!("{CLOSED}\n{words}");
    let since = Timestamp::now() - TOGETHER / 2;
    forge
        .comment_once(number, CLOSED, Some(since), &comment)
        .await?;
    Ok(())
}

/// Whether a request has nothing to give any more: its files are those of the base branch, or our
/// source is as new and we know that all pins it changes are right as they are.
pub(super) async fn is_empty<F: Forge>(
    run: &Run<'_, F>,
    scene: &mut Scene<'_, F>,
    rival: &Rival,
) -> Result<bool, FactoryError> {
    let (base, head) = (scene.base_head.as_str(), rival.head_sha().as_str());
    let ahead = run.forge.ahead(base, head).await?;
    if ahead.files.len() >= FILES {
        return Ok(false);
    }
    let theirs = scene.ages.of(&rival.marker.source).await?;
    if theirs <= scene.age {
        let (base, head) = (&scene.base_head, rival.head_sha());
        let lost = lost(run.forge, run.changes, base, head, &ahead).await?;
        return Ok(lost.is_none());
    }
    for file in &ahead.files {
        if run.forge.read_file(base, file).await? != run.forge.read_file(head, file).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Deletes what runs left behind that were killed between the branch and the pull request, or
/// between closing the request and deleting the branch: branches of the bot for this base, with
/// nothing but its own commit for a source that is not newer, and without a request that a person
/// could want to open again.
pub(super) async fn branches<F: Forge>(
    run: &mut Run<'_, F>,
    scene: &mut Scene<'_, F>,
) -> Result<(), FactoryError> {
    let (forge, options) = (run.forge, run.options);
    let listed = forge.branches(BRANCH_PREFIX).await?;
    if listed.is_empty() {
        return Ok(());
    }
    let open = forge.open_from(None, None).await?;
    let in_use = |branch: &str| open.iter().any(|request| request.head == branch);
    let mut leftovers = listed;
    leftovers.retain(|(branch, _)| *branch != options.branch && !in_use(branch));
    if leftovers.is_empty() {
        return Ok(());
    }
    let closed = pins(forge, options, false).await?;
    let merged = |rival: &Rival, branch: &str| rival.is_merged() && rival.head() == branch;
    // What becomes of the branches of merged requests is a setting of the repository.
    leftovers.retain(|(branch, _)| !closed.iter().any(|rival| merged(rival, branch)));
    // Run ids grow: the last ones were left lately.
    for (branch, head) in leftovers.into_iter().rev().take(LEFTOVERS) {
        // That list ends somewhere.
        let closed = closed_from(forge, options, &branch).await?;
        if closed.iter().any(Rival::is_merged)
            || !is_leftover(forge, options, scene, &head).await?
            || is_wanted(forge, &closed).await?
            // Its run may be alive, and a moment further.
            || !forge.open_from(Some(&branch), None).await?.is_empty()
        {
            continue;
        }
        match forge.delete_branch_at(&branch, &head).await {
            Ok(_) => say_closed_with_branch(forge, options, &closed, &branch).await?,
            Err(error) => run.note_failure(&format!("branch `{branch}` stays"), error)?,
        }
    }
    Ok(())
}

/// Whether a branch holds one commit of the bot's for this base, for a source that is not newer.
async fn is_leftover<F: Forge>(
    forge: &F,
    options: &ProposeOptions,
    scene: &mut Scene<'_, F>,
    head: &CommitSha,
) -> Result<bool, FactoryError> {
    let ahead = forge.ahead(scene.base_head.as_str(), head.as_str()).await?;
    let [commit] = ahead.commits.as_slice() else {
        return Ok(false);
    };
    let source = commit.trailer(SOURCE).and_then(|sha| sha.parse().ok());
    let ours = ahead.ahead_by == 1 && commit.trailer(BASE) == Some(options.base.as_str());
    match source.filter(|_| ours) {
        Some(source) if scene.ages.of(&source).await? <= scene.age => {}
        _ => return Ok(false),
    }
    // Whoever's token it was: a person may have amended it.
    let Person { login, name, .. } = &commit.author;
    let maker = Maker::Account(login.as_ref().unwrap_or(name).clone());
    Ok(maker.stranger(forge, &ahead).await?.is_none())
}

/// Whether a person closed a request of a branch, and may want to open it again.
async fn is_wanted<F: Forge>(forge: &F, closed: &[Rival]) -> Result<bool, FactoryError> {
    for rival in closed {
        if !closed_by_us(forge, rival).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// GitHub closes requests whose branch goes. If one was opened in the very moment before, it must not
/// look as if a person had closed it.
async fn say_closed_with_branch<F: Forge>(
    forge: &F,
    options: &ProposeOptions,
    before: &[Rival],
    branch: &str,
) -> Result<(), FactoryError> {
    let known = |rival: &Rival| before.iter().any(|one| one.number() == rival.number());
    for rival in closed_from(forge, options, branch).await? {
        if !known(&rival) {
            say_closed(forge, rival.number(), "Superseded by another run.").await?;
        }
    }
    Ok(())
}
