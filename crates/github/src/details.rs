use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::call::Method;
use crate::names::{NodeId, check_branch, encode};
use crate::pulls::{End, PAGE, READ, WRITE, cut};
use crate::{GithubError, PullRequest, Repo};

/// A pull request with all that is known of it. What people wrote (title, text, labels) is theirs:
/// nothing in it can be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestDetails {
    /// Number, page, branches and head.
    pub request: PullRequest,
    /// Its title.
    pub title: String,
    /// Its text, empty when there is none.
    pub body: String,
    /// The login of whoever opened it; an App's ends with `[bot]`, and a deleted account's is empty.
    pub author: String,
    /// Whether the change is on a branch of this repository, and not of a fork.
    pub from_here: bool,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// Whom a review is asked of and has not come from: people by login, teams by slug.
    pub reviewers: Vec<String>,
    /// Whether it is not ready for review.
    pub draft: bool,
    /// When it was closed or merged, if it is not open.
    pub closed_at: Option<Timestamp>,
    /// Where it stands.
    pub state: PullRequestState,
    /// What the GraphQL API calls it.
    pub node_id: NodeId,
}

/// Where a pull request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequestState {
    /// It can be merged or closed.
    Open,
    /// It was closed without being merged.
    Closed,
    /// It was merged.
    Merged,
}

/// Which pull requests are wanted, last updated first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestFilter {
    /// Those that are open, or those that are not any more.
    pub open: bool,
    /// The branch of this repository with the change.
    pub head: Option<String>,
    /// The branch that they are to change.
    pub base: Option<String>,
    /// How many pages of 100 are read at most.
    pub pages: u32,
}

/// What to change of a pull request; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullRequestUpdate {
    /// Its title.
    pub title: Option<String>,
    /// Its text (Markdown); cut at GitHub's limit.
    pub body: Option<String>,
}

#[derive(Deserialize)]
struct Full {
    number: u64,
    html_url: String,
    head: End,
    base: End,
    title: String,
    body: Option<String>,
    user: Option<User>,
    #[serde(default)]
    labels: Vec<Label>,
    #[serde(default)]
    requested_reviewers: Vec<User>,
    #[serde(default)]
    requested_teams: Vec<Team>,
    #[serde(default)]
    draft: bool,
    state: String,
    closed_at: Option<Timestamp>,
    merged_at: Option<String>,
    node_id: NodeId,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

impl Repo {
    /// The pull requests that `filter` wants.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn pull_requests(
        &self,
        filter: &PullRequestFilter,
    ) -> Result<Vec<PullRequestDetails>, GithubError> {
        let state = if filter.open { "open" } else { "closed" };
        let mut query = format!("state={state}&sort=updated&direction=desc&per_page={PAGE}");
        if let Some(head) = &filter.head {
            check_branch(head)?;
            let branch = encode(head).replace('/', "%2F");
            query.push_str(&format!("&head={}%3A{branch}", self.name.owner()));
        }
        if let Some(base) = &filter.base {
            check_branch(base)?;
            query.push_str(&format!("&base={}", encode(base).replace('/', "%2F")));
        }
        let operation = self.operation("list pull requests", self.repository(), READ);
        let mut found: Vec<PullRequestDetails> = Vec::new();
        for page in 1..=filter.pages {
            let path = self.path(&format!("/pulls?{query}&page={page}"));
            let listed: Vec<Full> = self.caller.json(&operation, Method::Get, &path).await?;
            let last = listed.len() < PAGE;
            found.extend(listed.into_iter().map(|full| self.details(full)));
            if last {
                break;
            }
        }
        // One that was updated between two pages is on both.
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|one| seen.insert(one.request.number));
        let wanted = |one: &PullRequestDetails| {
            let is_head = |head: &String| *head == one.request.head && one.from_here;
            let is_base = |base: &String| *base == one.request.base;
            filter.head.as_ref().is_none_or(is_head) && filter.base.as_ref().is_none_or(is_base)
        };
        found.retain(wanted);
        Ok(found)
    }

    /// One pull request.
    ///
    /// # Errors
    /// [`GithubError::NotFound`] when there is none of that number.
    pub async fn pull_request(&self, number: u64) -> Result<PullRequestDetails, GithubError> {
        let operation = self.pull_operation("read", number, READ);
        let path = self.path(&format!("/pulls/{number}"));
        let full = self.caller.json(&operation, Method::Get, &path).await?;
        Ok(self.details(full))
    }

    /// Changes title or text of a pull request, and returns it as it is then.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn update_pull_request(
        &self,
        number: u64,
        update: &PullRequestUpdate,
    ) -> Result<PullRequestDetails, GithubError> {
        let mut change = Map::new();
        if let Some(title) = &update.title {
            change.insert("title".to_owned(), title.as_str().into());
        }
        if let Some(body) = &update.body {
            change.insert("body".to_owned(), cut(body).into());
        }
        self.patch("update", number, change).await
    }

    /// Closes a pull request without merging it, and returns it as it is then. A second time it
    /// changes nothing.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn close_pull_request(&self, number: u64) -> Result<PullRequestDetails, GithubError> {
        self.set_state("close", number, "closed").await
    }

    /// Opens a closed pull request again.
    ///
    /// # Errors
    /// [`GithubError::Rejected`] when it was merged, its branch is gone, or another is open for the
    /// same branches.
    pub async fn reopen_pull_request(
        &self,
        number: u64,
    ) -> Result<PullRequestDetails, GithubError> {
        self.set_state("reopen", number, "open").await
    }

    async fn set_state(
        &self,
        verb: &str,
        number: u64,
        state: &str,
    ) -> Result<PullRequestDetails, GithubError> {
        let change = Map::from_iter([("state".to_owned(), state.into())]);
        self.patch(verb, number, change).await
    }

    async fn patch(
        &self,
        verb: &str,
        number: u64,
        change: Map<String, Value>,
    ) -> Result<PullRequestDetails, GithubError> {
        let operation = self.pull_operation(verb, number, WRITE);
        let path = self.path(&format!("/pulls/{number}"));
        let method = Method::Patch(change.into());
        let full = self.caller.json(&operation, method, &path).await?;
        Ok(self.details(full))
    }

    fn details(&self, full: Full) -> PullRequestDetails {
        let people = full.requested_reviewers.into_iter().map(|user| user.login);
        let teams = full.requested_teams.into_iter().map(|team| team.slug);
        PullRequestDetails {
            title: full.title,
            body: full.body.unwrap_or_default(),
            author: full.user.map(|user| user.login).unwrap_or_default(),
            from_here: self.is_ours(&full.head),
            labels: full.labels.into_iter().map(|label| label.name).collect(),
            reviewers: people.chain(teams).collect(),
            draft: full.draft,
            closed_at: full.closed_at,
            state: match full.state.as_str() {
                "open" => PullRequestState::Open,
                _ if full.merged_at.is_some() => PullRequestState::Merged,
                _ => PullRequestState::Closed,
            },
            node_id: full.node_id,
            request: PullRequest {
                number: full.number,
                url: full.html_url,
                head: full.head.branch,
                base: full.base.branch,
                head_sha: full.head.sha,
            },
        }
    }
}
