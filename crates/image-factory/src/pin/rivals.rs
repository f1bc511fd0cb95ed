use github::{CommitSha, PullRequestDetails, PullRequestFilter, PullRequestState};
use jiff::{SignedDuration, Timestamp};

use super::age::{Age, Ages};
use super::forge::Forge;
use super::marker::{Hash, Marker};
use super::options::{BRANCH_PREFIX, ProposeOptions};
use crate::FactoryError;

/// Pages of open pull requests of one base branch that are read: 1,000 requests.
const OPEN_PAGES: u32 = 10;
/// Pages of closed ones: the 300 that were last updated, whatever they are about.
const CLOSED_PAGES: u32 = 3;

/// GitHub's and this machine's clock, and the comment and the close that goes with it, are not further
/// apart than this.
pub(super) const TOGETHER: SignedDuration = SignedDuration::from_mins(10);

/// In the comment with which the bot closes a request. One that was closed without it was closed by
/// a person.
pub(super) const CLOSED: &str = "<!-- pipeline:pin-closed -->";
/// In the comment that says why a request is left alone.
pub(super) const LEFT_ALONE: &str = "<!-- pipeline:pin-left-alone -->";

/// A pull request with pins for the same base branch.
#[derive(Clone, Debug)]
pub(super) struct Rival {
    pub(super) pull: PullRequestDetails,
    pub(super) marker: Marker,
}

impl Rival {
    pub(super) fn number(&self) -> u64 {
        self.pull.request.number
    }

    pub(super) fn head(&self) -> &str {
        &self.pull.request.head
    }

    pub(super) fn head_sha(&self) -> &CommitSha {
        &self.pull.request.head_sha
    }

    pub(super) fn is_merged(&self) -> bool {
        self.pull.state == PullRequestState::Merged
    }

    /// A pull request of the bot's: from a branch of this repository that has the bot's name, with
    /// the bot's marker.
    fn read(pull: PullRequestDetails, options: &ProposeOptions) -> Option<Self> {
        let head = &pull.request.head;
        let named = head.starts_with(BRANCH_PREFIX) || *head == options.branch;
        let marker = Marker::find(&pull.body)?;
        (pull.from_here && named && pull.request.base == options.base)
            .then_some(Self { pull, marker })
    }
}

/// The pull requests with pins for the base branch, newest first.
pub(super) async fn pins<F: Forge>(
    forge: &F,
    options: &ProposeOptions,
    open: bool,
) -> Result<Vec<Rival>, FactoryError> {
    let filter = PullRequestFilter {
        open,
        head: None,
        base: Some(options.base.clone()),
        pages: if open { OPEN_PAGES } else { CLOSED_PAGES },
    };
    list(forge, options, &filter).await
}

/// Those from one branch that are not open any more, newest first.
pub(super) async fn closed_from<F: Forge>(
    forge: &F,
    options: &ProposeOptions,
    branch: &str,
) -> Result<Vec<Rival>, FactoryError> {
    let filter = PullRequestFilter {
        open: false,
        head: Some(branch.to_owned()),
        base: Some(options.base.clone()),
        pages: CLOSED_PAGES,
    };
    list(forge, options, &filter).await
}

async fn list<F: Forge>(
    forge: &F,
    options: &ProposeOptions,
    filter: &PullRequestFilter,
) -> Result<Vec<Rival>, FactoryError> {
    let listed = forge.pull_requests(filter).await?;
    let mut pins: Vec<Rival> = listed
        .into_iter()
        .filter_map(|pull| Rival::read(pull, options))
        .collect();
    pins.sort_unstable_by_key(|rival| std::cmp::Reverse(rival.number()));
    Ok(pins)
}

/// The pull requests that come before ours: their source is newer or, where `number` is given, as
/// new and their number higher.
pub(super) async fn newer<'r, F: Forge>(
    ages: &mut Ages<'_, F>,
    rivals: &[&'r Rival],
    age: Age,
    number: Option<u64>,
) -> Result<Vec<&'r Rival>, FactoryError> {
    let mut newer = Vec::new();
    for rival in rivals {
        let theirs = ages.of(&rival.marker.source).await?;
        let later = number.is_some_and(|number| theirs == age && rival.number() > number);
        if theirs > age || later {
            newer.push(*rival);
        }
    }
    Ok(newer)
}

/// A request with these pins that a person closed.
pub(super) async fn declined<'r, F: Forge>(
    forge: &F,
    closed: &'r [Rival],
    digests: &Hash,
) -> Result<Option<&'r Rival>, FactoryError> {
    for rival in closed {
        if rival.pull.state == PullRequestState::Closed
            && rival.marker.digests == *digests
            && !closed_by_us(forge, rival).await?
        {
            return Ok(Some(rival));
        }
    }
    Ok(None)
}

/// Whether the bot closed it. The comment that says so must be from inside, as anybody can write one,
/// and go with the last close: a person may have opened it again, and closed it for good.
pub(super) async fn closed_by_us<F: Forge>(forge: &F, rival: &Rival) -> Result<bool, FactoryError> {
    let comments = forge.comments(rival.number()).await?;
    Ok(comments.iter().any(|comment| {
        let together = |closed: Timestamp| comment.created.duration_since(closed).abs() <= TOGETHER;
        comment.body.contains(CLOSED)
            && (comment.from_inside || comment.author == rival.pull.author)
            && rival.pull.closed_at.is_some_and(together)
    }))
}
