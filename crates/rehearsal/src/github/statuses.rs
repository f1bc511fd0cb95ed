use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, Input, answer, ok};
use super::identity::{Actor, node_id};
use super::merge;
use super::pages::Page;
use super::repository::Repository;
use super::server::Shared;

/// GitHub's limits: characters of a description and of the other texts, and statuses of one commit.
const LONGEST_DESCRIPTION: usize = 140;
const LONGEST_TEXT: usize = 255;
const MOST: usize = 1000;
const STATES: &[&str] = &["error", "failure", "pending", "success"];

/// The statuses of all commits, oldest first.
#[derive(Debug, Default)]
pub(super) struct Statuses(HashMap<String, Vec<Status>>);

#[derive(Clone, Debug)]
struct Status {
    number: usize,
    by: Actor,
    state: &'static str,
    context: String,
    description: Option<String>,
    target_url: Option<String>,
    created: Timestamp,
}

impl Statuses {
    /// The newest of each context.
    fn latest(&self, sha: &str) -> Vec<&Status> {
        let mut latest: Vec<&Status> = Vec::new();
        for status in self.0.get(sha).into_iter().flatten().rev() {
            if latest.iter().all(|other| other.context != status.context) {
                latest.push(status);
            }
        }
        latest
    }

    pub(super) fn is_success(&self, sha: &str, context: &str) -> bool {
        self.latest(sha)
            .iter()
            .any(|status| status.context == context && status.state == "success")
    }
}

/// `POST /repos/{owner}/{repo}/statuses/{sha}`
pub(super) async fn create(
    State(state): State<Shared>,
    Path((owner, repo, sha)): Path<(String, String, String)>,
    actor: Actor,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let wanted = input.need_text("state")?;
    let Some(status_state) = STATES.iter().find(|state| **state == wanted) else {
        return Err(ApiError::validation(json!([{
            "resource": "Status",
            "code": "custom",
            "field": "state",
            "message": "state is not included in the list",
        }])));
    };
    let description = input.text("description")?;
    check_length("description", description, LONGEST_DESCRIPTION)?;
    let context = input.text("context")?;
    check_length("context", context, LONGEST_TEXT)?;
    let target_url = input.text("target_url")?;
    check_length("target_url", target_url, LONGEST_TEXT)?;
    let found = repository.git.object(&sha, "commit").await?;
    let sha =
        found.ok_or_else(|| ApiError::unprocessable(format!("No commit found for SHA: {sha}")))?;

    let mut kept = repository.state.lock().await;
    let all = kept.statuses.0.entry(sha.clone()).or_default();
    if all.len() >= MOST {
        return Err(ApiError::unprocessable(
            "This SHA and context has reached the maximum number of statuses.",
        ));
    }
    let status = Status {
        number: all.len() + 1,
        by: actor,
        state: status_state,
        context: context.unwrap_or("default").to_owned(),
        description: description.map(str::to_owned),
        target_url: target_url.map(str::to_owned),
        created: Timestamp::now(),
    };
    all.push(status.clone());
    merge::merge_waiting(&repository, &mut kept, &sha).await?;
    let mut json = status.json(&repository, state.base(), &sha);
    json["creator"] = actor.json(state.base());
    Ok(answer(StatusCode::CREATED, &json))
}

fn check_length(field: &str, text: Option<&str>, most: usize) -> Result<(), ApiError> {
    if text.is_some_and(|text| text.chars().count() > most) {
        return Err(ApiError::validation(json!([{
            "resource": "Status",
            "code": "custom",
            "field": field,
            "message": format!("{field} is too long (maximum is {most} characters)"),
        }])));
    }
    Ok(())
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/status`
pub(super) async fn combined(
    repository: &Repository,
    base: &str,
    sha: &str,
    query: &HashMap<String, String>,
) -> ApiResult {
    let kept = repository.state.lock().await;
    let latest = kept.statuses.latest(sha);
    let any = |states: &[&str]| latest.iter().any(|status| states.contains(&status.state));
    let state = match () {
        () if any(&["error", "failure"]) => "failure",
        () if latest.is_empty() || any(&["pending"]) => "pending",
        () => "success",
    };
    let total = latest.len();
    let listed: Vec<Value> = Page::of(query, 30, 100)
        .cut(latest)
        .map(|status| status.json(repository, base, sha))
        .collect();
    let url = repository.url(base, &format!("/commits/{sha}"));
    ok(&json!({
        "state": state,
        "statuses": listed,
        "sha": sha,
        "total_count": total,
        "repository": repository.json(base),
        "commit_url": url,
        "url": format!("{url}/status"),
    }))
}

impl Status {
    fn json(&self, repository: &Repository, base: &str, sha: &str) -> Value {
        json!({
            "url": repository.url(base, &format!("/statuses/{sha}")),
            "avatar_url": self.by.json(base)["avatar_url"],
            "id": self.number,
            "node_id": node_id("SC", &format!("{sha}#{}", self.number)),
            "state": self.state,
            "description": self.description,
            "target_url": self.target_url,
            "context": self.context,
            "created_at": self.created,
            "updated_at": self.created,
        })
    }
}
