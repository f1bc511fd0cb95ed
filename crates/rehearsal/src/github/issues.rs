use std::collections::{BTreeMap, HashMap};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, Input, answer, check_body, ok};
use super::identity::{Actor, node_id};
use super::pages::Page;
use super::pulls::{Comment, Pull, check_title, parse_number};
use super::repository::Repository;
use super::server::Shared;
use super::{labels, repository};

/// The issues of a repository, oldest first. They share their numbers with the pull requests.
#[derive(Debug, Default)]
pub(super) struct Issues(Vec<Issue>);

/// What somebody wrote down to be done.
#[derive(Clone, Debug)]
pub(super) struct Issue {
    pub(super) number: u64,
    by: Actor,
    title: String,
    body: Option<String>,
    created: Timestamp,
    updated: Timestamp,
    closed: Option<Timestamp>,
    reason: Option<&'static str>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) comments: Vec<Comment>,
}

impl Issues {
    pub(super) fn find_mut(&mut self, number: u64) -> Option<&mut Issue> {
        self.0.iter_mut().find(|issue| issue.number == number)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// `GET /repos/{owner}/{repo}/issues`: to GitHub, pull requests are issues, too.
pub(super) async fn list(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let kept = repository.state.lock().await;
    let pulls = kept.pulls.iter().map(of_pull);
    let mut found: Vec<(Issue, Option<&Pull>)> = kept
        .issues
        .0
        .iter()
        .map(|issue| (issue.clone(), None))
        .chain(pulls)
        .filter(|(issue, _)| issue.is_wanted(&query))
        .collect();
    found.sort_by_key(|(issue, _)| issue.number);
    if query.get("direction").map(String::as_str) != Some("asc") {
        found.reverse();
    }
    let total = found.len();
    let page = Page::of(&query, 30, 100);
    let listed = page
        .cut(found)
        .map(|(issue, pull)| issue.json(&repository, state.base(), pull))
        .collect();
    let url = repository.url(state.base(), "/issues");
    Ok(page.answer(listed, total, &url, &query))
}

/// `POST /repos/{owner}/{repo}/issues`
pub(super) async fn create(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    actor: Actor,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let title = input.need_text("title")?.trim().to_owned();
    let text = input.text("body")?.map(str::to_owned);
    check_title("Issue", &title)?;
    check_body("Issue", text.as_deref())?;
    let labels = input.texts("labels")?;
    let labels = labels::added(&BTreeMap::new(), labels.into_iter().map(str::to_owned))?;
    let now = Timestamp::now();
    let mut kept = repository.state.lock().await;
    let issue = Issue {
        number: kept.next_number(),
        by: actor,
        title,
        body: text,
        created: now,
        updated: now,
        closed: None,
        reason: None,
        labels,
        comments: Vec::new(),
    };
    kept.issues.0.push(issue.clone());
    let json = issue.json(&repository, state.base(), None);
    Ok(answer(StatusCode::CREATED, &json))
}

/// `PATCH /repos/{owner}/{repo}/issues/{number}`
pub(super) async fn update(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let (title, text) = (input.text("title")?.map(str::trim), input.text("body")?);
    title.map_or(Ok(()), |title| check_title("Issue", title))?;
    check_body("Issue", text)?;
    let now = Timestamp::now();
    let mut kept = repository.state.lock().await;
    let issue = kept.issues.find_mut(parse_number(&number)?);
    let issue = issue.ok_or_else(ApiError::not_found)?;
    match (input.text("state")?, issue.closed) {
        (None, _) | (Some("open"), None) | (Some("closed"), Some(_)) => {}
        (Some("closed"), None) => {
            issue.closed = Some(now);
            issue.reason = Some(match input.text("state_reason")? {
                Some("not_planned") => "not_planned",
                Some("duplicate") => "duplicate",
                _ => "completed",
            });
        }
        (Some("open"), Some(_)) => {
            issue.closed = None;
            issue.reason = Some("reopened");
        }
        (Some(_), _) => {
            return Err(ApiError::validation(json!([{
                "resource": "Issue", "code": "invalid", "field": "state",
            }])));
        }
    }
    if let Some(title) = title {
        title.clone_into(&mut issue.title);
    }
    if let Some(text) = text {
        issue.body = Some(text.to_owned());
    }
    issue.updated = now;
    ok(&issue.json(&repository, state.base(), None))
}

/// A pull request as the list of issues has it.
fn of_pull(pull: &Pull) -> (Issue, Option<&Pull>) {
    let issue = Issue {
        number: pull.number,
        by: pull.by,
        title: pull.title.clone(),
        body: pull.body.clone(),
        created: pull.created,
        updated: pull.updated,
        closed: pull.closed,
        reason: None,
        labels: pull.labels.clone(),
        comments: pull.comments.clone(),
    };
    (issue, Some(pull))
}

impl Issue {
    fn is_wanted(&self, query: &HashMap<String, String>) -> bool {
        let state = match query.get("state").map_or("open", String::as_str) {
            "closed" => self.closed.is_some(),
            "all" => true,
            _ => self.closed.is_none(),
        };
        let labels = query.get("labels").map_or("", String::as_str);
        let mut labels = labels.split(',').filter(|label| !label.is_empty());
        let labelled = labels.all(|label| self.labels.contains_key(&label.to_lowercase()));
        let creator = query.get("creator");
        state && labelled && creator.is_none_or(|creator| creator == self.by.login())
    }

    fn json(&self, repository: &Repository, base: &str, pull: Option<&Pull>) -> Value {
        let number = self.number;
        let url = repository.url(base, &format!("/issues/{number}"));
        let kind = if pull.is_some() { "pull" } else { "issues" };
        let mut json = json!({
            "id": number,
            "node_id": node_id("I", &format!("{}#{number}", repository.name)),
            "number": number,
            "url": url,
            "repository_url": repository.url(base, ""),
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "html_url": repository.html_url(base, &format!("/{kind}/{number}")),
            "state": if self.closed.is_none() { "open" } else { "closed" },
            "state_reason": self.reason,
            "title": self.title,
            "body": self.body,
            "user": self.by.json(base),
            "labels": labels::json(repository, base, &self.labels),
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "locked": false,
            "comments": self.comments.len(),
            "author_association": repository::association(self.by),
            "created_at": self.created,
            "updated_at": self.updated,
            "closed_at": self.closed,
        });
        if pull.is_some() {
            let page = repository.html_url(base, &format!("/pull/{number}"));
            json["pull_request"] = json!({
                "url": repository.url(base, &format!("/pulls/{number}")),
                "html_url": page,
                "diff_url": format!("{page}.diff"),
                "patch_url": format!("{page}.patch"),
            });
        }
        json
    }
}
