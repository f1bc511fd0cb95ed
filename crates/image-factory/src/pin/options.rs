use github::{CommitSha, MergeMethod};

/// The branches of runs that have no other name for theirs start with this.
pub(super) const BRANCH_PREFIX: &str = "bot/pin-";

/// Where and how pins are proposed.
#[derive(Clone, Debug)]
pub struct ProposeOptions {
    /// The branch to change; default `dev`.
    pub base: String,
    /// The branch to propose from; default `bot/pin-<run id>`. If it is there already, it is
    /// rebuilt in place: with one name for all runs, there is one pull request that is always
    /// current.
    pub branch: String,
    /// The commit that was built; default the head of the base branch. Of two runs, the one for the
    /// newer commit wins.
    pub source: Option<CommitSha>,
    /// The page of the run that built the images.
    pub run_url: Option<String>,
    /// Whether the pull request is not ready for review.
    pub draft: bool,
    /// Labels that the pull request gets.
    pub labels: Vec<String>,
    /// The people who are asked for a review, by login.
    pub reviewers: Vec<String>,
    /// The teams who are asked for a review, by slug.
    pub team_reviewers: Vec<String>,
    /// Has GitHub merge the pull request in this way as soon as it may be.
    pub auto_merge: Option<MergeMethod>,
    /// Goes on although a person has commits on the branch, or closed a request for the same pins.
    pub takeover: bool,
    /// The workflow to start on the branch.
    pub dispatch: Option<Dispatch>,
}

/// A workflow that is started on the branch of the pins, as pushes of a job's own token start none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Its file in `.github/workflows`.
    pub workflow: String,
    /// The commit status that is set to pending, and that the workflow is to end.
    pub context: String,
}

impl ProposeOptions {
    /// A proposal to `dev` by the run `run_id`.
    #[must_use]
    pub fn new(run_id: &str) -> Self {
        Self {
            base: "dev".to_owned(),
            branch: format!("{BRANCH_PREFIX}{run_id}"),
            source: None,
            run_url: None,
            draft: false,
            labels: Vec::new(),
            reviewers: Vec::new(),
            team_reviewers: Vec::new(),
            auto_merge: None,
            takeover: false,
            dispatch: None,
        }
    }
}
