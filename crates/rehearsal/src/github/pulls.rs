use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, Input, answer, encode, ok};
use super::compare::page;
use super::repository::{BOT, Repository, node_id, user};
use super::server::Shared;

/// What GitHub takes as the text of a pull request, in characters.
const LONGEST_BODY: usize = 65_536;

/// The pull requests of a repository, oldest first; the first is number 1.
#[derive(Debug, Default)]
pub(super) struct Pulls(Vec<Pull>);

/// A pull request between two branches of one repository.
#[derive(Clone, Debug)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) head: String,
    pub(super) base: String,
    pub(super) draft: bool,
    /// Where the branches were when they were last looked at; they do not move any more once the
    /// request is closed.
    pub(super) head_sha: String,
    pub(super) base_sha: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) closed: Option<Timestamp>,
    /// The commit on the base branch that it was merged as.
    pub(super) merged_as: Option<String>,
}

impl Pulls {
    pub(super) fn get_mut(&mut self, number: u64) -> Result<&mut Pull, ApiError> {
        let index = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        index
            .and_then(|index| self.0.get_mut(index))
            .ok_or_else(ApiError::not_found)
    }

    fn open_between(&self, head: &str, base: &str) -> Option<&Pull> {
        let same = |pull: &&Pull| pull.is_open() && pull.head == head && pull.base == base;
        self.0.iter().find(same)
    }

    /// Closes what needs a branch that is about to go; `sha` is where it pointed.
    pub(super) fn branch_goes(&mut self, branch: &str, sha: &str) {
        for pull in self.0.iter_mut().filter(|pull| pull.is_open()) {
            if pull.head == branch {
                sha.clone_into(&mut pull.head_sha);
            }
            if pull.head == branch || pull.base == branch {
                pull.close();
            }
        }
    }
}

impl Pull {
    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    pub(super) fn close(&mut self) {
        let now = Timestamp::now();
        self.closed = Some(now);
        self.updated = now;
    }

    /// Follows the branches of an open request.
    pub(super) async fn refresh(&mut self, repository: &Repository) -> Result<(), ApiError> {
        if self.is_open() {
            for (branch, sha) in [
                (&self.head, &mut self.head_sha),
                (&self.base, &mut self.base_sha),
            ] {
                let full = format!("refs/heads/{branch}");
                if let Some(now) = repository.git.resolve(&full).await? {
                    *sha = now;
                }
            }
        }
        Ok(())
    }

    pub(super) fn json(&self, repository: &Repository, base: &str) -> Value {
        let number = self.number;
        let url = repository.url(base, &format!("/pulls/{number}"));
        let issue = repository.url(base, &format!("/issues/{number}"));
        let page = repository.html_url(base, &format!("/pull/{number}"));
        let owner = repository.name.owner();
        let end = |branch: &str, sha: &str| {
            json!({
                "label": format!("{owner}:{branch}"),
                "ref": branch,
                "sha": sha,
                "user": user(base, owner, "Organization"),
                "repo": repository.json(base),
            })
        };
        let statuses = repository.url(base, &format!("/statuses/{}", self.head_sha));
        let link = |href: &str| json!({ "href": href });
        let mut json = json!({
            "id": number,
            "node_id": node_id("PR", &url),
            "number": number,
            "url": url,
            "html_url": page,
            "diff_url": format!("{page}.diff"),
            "patch_url": format!("{page}.patch"),
            "issue_url": issue,
            "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"),
            "review_comment_url": format!("{}{{/number}}", repository.url(base, "/pulls/comments")),
            "comments_url": format!("{issue}/comments"),
            "statuses_url": statuses,
            "state": if self.is_open() { "open" } else { "closed" },
            "locked": false,
            "title": self.title,
            "user": user(base, BOT, "Bot"),
            "body": self.body,
            "labels": [],
            "milestone": null,
            "assignee": null,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "created_at": self.created,
            "updated_at": self.updated,
            "closed_at": self.closed,
            "merged_at": self.closed.filter(|_| self.merged_as.is_some()),
            "merge_commit_sha": self.merged_as,
            "draft": self.draft,
            "head": end(&self.head, &self.head_sha),
            "base": end(&self.base, &self.base_sha),
            "author_association": "CONTRIBUTOR",
            "auto_merge": null,
        });
        json["_links"] = json!({
                "self": link(&url),
                "html": link(&page),
                "issue": link(&issue),
                "comments": link(&format!("{issue}/comments")),
                "review_comments": link(&format!("{url}/comments")),
                "review_comment": link(&repository.url(base, "/pulls/comments")),
                "commits": link(&format!("{url}/commits")),
                "statuses": link(&statuses),
        });
        json
    }

    /// With what GitHub tells only about a single one.
    async fn full_json(&self, repository: &Repository, base: &str) -> Result<Value, ApiError> {
        let git = &repository.git;
        let (_, commits) = git.left_right(&self.base_sha, &self.head_sha).await?;
        let mergeable = match self.is_open() {
            true => Some(
                git.merge_tree(&self.base_sha, &self.head_sha)
                    .await?
                    .is_some(),
            ),
            false => None,
        };
        let mut json = self.json(repository, base);
        json["merged"] = self.merged_as.is_some().into();
        json["merged_by"] = match self.merged_as {
            Some(_) => user(base, BOT, "Bot"),
            None => Value::Null,
        };
        json["mergeable"] = mergeable.into();
        json["mergeable_state"] = match mergeable {
            Some(true) if self.draft => "draft",
            Some(true) => "clean",
            Some(false) => "dirty",
            None => "unknown",
        }
        .into();
        json["maintainer_can_modify"] = false.into();
        json["commits"] = commits.into();
        json["comments"] = 0.into();
        json["review_comments"] = 0.into();
        Ok(json)
    }
}

/// `GET /repos/{owner}/{repo}/pulls`
pub(super) async fn list(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let text = |key: &str| query.get(key).map(String::as_str);
    let wanted = |pull: &&mut Pull| {
        let state = match text("state").unwrap_or("open") {
            "closed" => !pull.is_open(),
            "all" => true,
            _ => pull.is_open(),
        };
        // A head without an owner is no filter to GitHub.
        let head = text("head")
            .and_then(|head| head.split_once(':'))
            .is_none_or(|(owner, branch)| {
                owner.eq_ignore_ascii_case(repository.name.owner()) && branch == pull.head
            });
        state && head && text("base").is_none_or(|base| base == pull.base)
    };
    let mut pulls = repository.pulls.lock().await;
    let mut found: Vec<&mut Pull> = pulls.0.iter_mut().filter(wanted).collect();
    let by_update = text("sort") == Some("updated");
    found.sort_by_key(|pull| (by_update.then_some(pull.updated), pull.number));
    if text("direction") != Some("asc") {
        found.reverse();
    }
    let (page, per_page) = page(&query, 30, 100);
    let pages = found.len().div_ceil(per_page);
    let mut listed: Vec<Value> = Vec::new();
    for pull in found.into_iter().skip((page - 1) * per_page).take(per_page) {
        pull.refresh(&repository).await?;
        listed.push(pull.json(&repository, state.base()));
    }
    let mut response = answer(StatusCode::OK, &listed.into());
    if let Some(links) = links(&repository, state.base(), &query, page, pages) {
        response.headers_mut().insert(header::LINK, links);
    }
    Ok(response)
}

/// The `Link` header with the next and the last page.
fn links(
    repository: &Repository,
    base: &str,
    query: &HashMap<String, String>,
    page: usize,
    pages: usize,
) -> Option<HeaderValue> {
    if page >= pages {
        return None;
    }
    let rest: String = query
        .iter()
        .filter(|(key, _)| *key != "page")
        .map(|(key, value)| format!("{}={}&", encode(key), encode(value)))
        .collect();
    let url = repository.url(base, "/pulls");
    let next = page + 1;
    let text = format!(
        "<{url}?{rest}page={next}>; rel=\"next\", <{url}?{rest}page={pages}>; rel=\"last\""
    );
    HeaderValue::try_from(text).ok()
}

/// `POST /repos/{owner}/{repo}/pulls`
pub(super) async fn create(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let (head, base) = (input.need_text("head")?, input.need_text("base")?);
    let title = input.text("title")?.unwrap_or_default().trim().to_owned();
    let text = input.text("body")?.map(str::to_owned);
    let draft = input.flag("draft")?;
    if title.is_empty() {
        return Err(invalid("title", "missing_field"));
    }
    check_body(text.as_deref())?;
    let head = own_branch(&repository, head).ok_or_else(|| invalid("head", "invalid"))?;

    let mut pulls = repository.pulls.lock().await;
    let git = &repository.git;
    let head_sha = git.read_ref(&format!("refs/heads/{head}")).await?;
    let head_sha = head_sha.ok_or_else(|| invalid("head", "invalid"))?;
    let base_sha = git.read_ref(&format!("refs/heads/{base}")).await?;
    let base_sha = base_sha.ok_or_else(|| invalid("base", "invalid"))?;
    if pulls.open_between(head, base).is_some() {
        return Err(custom(&format!(
            "A pull request already exists for {}:{head}.",
            repository.name.owner()
        )));
    }
    if git.left_right(&base_sha, &head_sha).await?.1 == 0 {
        return Err(custom(&format!("No commits between {base} and {head}")));
    }
    let now = Timestamp::now();
    let number = u64::try_from(pulls.0.len()).unwrap_or(u64::MAX) + 1;
    let pull = Pull {
        number,
        title,
        body: text,
        head: head.to_owned(),
        base: base.to_owned(),
        draft,
        head_sha,
        base_sha,
        created: now,
        updated: now,
        closed: None,
        merged_as: None,
    };
    let json = pull.full_json(&repository, state.base()).await?;
    pulls.0.push(pull);
    Ok(answer(StatusCode::CREATED, &json))
}

/// `GET /repos/{owner}/{repo}/pulls/{number}`
pub(super) async fn read(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let mut pulls = repository.pulls.lock().await;
    let pull = pulls.get_mut(parse_number(&number)?)?;
    pull.refresh(&repository).await?;
    ok(&pull.full_json(&repository, state.base()).await?)
}

/// `PATCH /repos/{owner}/{repo}/pulls/{number}`
pub(super) async fn update(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let (title, text) = (input.text("title")?, input.text("body")?);
    check_body(text)?;
    if title.is_some_and(|title| title.trim().is_empty()) {
        return Err(invalid("title", "missing_field"));
    }
    let git = &repository.git;
    let mut pulls = repository.pulls.lock().await;
    let mut pull = pulls.get_mut(parse_number(&number)?)?.clone();
    pull.refresh(&repository).await?;

    if let Some(base) = input.text("base")? {
        let sha = git.read_ref(&format!("refs/heads/{base}")).await?;
        pull.base_sha = sha.ok_or_else(|| invalid("base", "invalid"))?;
        base.clone_into(&mut pull.base);
    }
    match (input.text("state")?, pull.is_open()) {
        (None, _) | (Some("open"), true) | (Some("closed"), false) => {}
        (Some("closed"), true) => pull.close(),
        (Some("open"), false) => {
            let head = git.read_ref(&format!("refs/heads/{}", pull.head)).await?;
            if pull.merged_as.is_some() || head.is_none() {
                return Err(invalid("state", "invalid"));
            }
            if pulls.open_between(&pull.head, &pull.base).is_some() {
                return Err(custom(&format!(
                    "A pull request already exists for {}:{}.",
                    repository.name.owner(),
                    pull.head
                )));
            }
            pull.closed = None;
            pull.refresh(&repository).await?;
        }
        (Some(_), _) => return Err(invalid("state", "invalid")),
    }
    if let Some(title) = title {
        title.trim().clone_into(&mut pull.title);
    }
    if let Some(text) = text {
        pull.body = Some(text.to_owned());
    }
    pull.updated = Timestamp::now();
    let json = pull.full_json(&repository, state.base()).await?;
    let number = pull.number;
    *pulls.get_mut(number)? = pull;
    ok(&json)
}

pub(super) fn parse_number(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// The branch that `owner:branch` or `branch` names in this repository.
fn own_branch<'a>(repository: &Repository, head: &'a str) -> Option<&'a str> {
    match head.split_once(':') {
        None => Some(head),
        Some((owner, branch)) => owner
            .eq_ignore_ascii_case(repository.name.owner())
            .then_some(branch),
    }
}

fn check_body(body: Option<&str>) -> Result<(), ApiError> {
    if body.is_some_and(|body| body.chars().count() > LONGEST_BODY) {
        return Err(ApiError::validation(json!([{
            "resource": "Issue",
            "code": "custom",
            "field": "body",
            "message": "body is too long (maximum is 65536 characters)",
        }])));
    }
    Ok(())
}

fn invalid(field: &str, code: &str) -> ApiError {
    ApiError::validation(json!([{ "resource": "PullRequest", "code": code, "field": field }]))
}

fn custom(message: &str) -> ApiError {
    ApiError::validation(
        json!([{ "resource": "PullRequest", "code": "custom", "message": message }]),
    )
}
