use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, ok};
use super::identity::{id, node_id};
use super::pulls::{Pull, parse_number};
use super::repository::Repository;
use super::server::Shared;

/// GitHub's limits: characters of a name, labels of one request.
const LONGEST_NAME: usize = 50;
const MOST: usize = 100;
/// The colour of a label that nobody chose one for.
const COLOUR: &str = "ededed";

type Numbered = Path<(String, String, String)>;

/// `GET /repos/{owner}/{repo}/issues/{number}/labels`
pub(super) async fn list(
    State(state): State<Shared>,
    Path((owner, repo, number)): Numbered,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let mut kept = repository.state.lock().await;
    let pull = kept.pulls.get_mut(parse_number(&number)?)?;
    ok(&json(&repository, state.base(), pull))
}

/// `POST /repos/{owner}/{repo}/issues/{number}/labels`
pub(super) async fn add(state: State<Shared>, path: Numbered, body: Bytes) -> ApiResult {
    change(state, path, &body, false).await
}

/// `PUT /repos/{owner}/{repo}/issues/{number}/labels`
pub(super) async fn replace(state: State<Shared>, path: Numbered, body: Bytes) -> ApiResult {
    change(state, path, &body, true).await
}

async fn change(
    State(state): State<Shared>,
    Path((owner, repo, number)): Numbered,
    body: &Bytes,
    replace: bool,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let names = names(body)?;
    let mut kept = repository.state.lock().await;
    let pull = kept.pulls.get_mut(parse_number(&number)?)?;
    let mut labels = match replace {
        true => BTreeMap::new(),
        false => pull.labels.clone(),
    };
    for name in names {
        labels.entry(name.to_lowercase()).or_insert(name);
    }
    if labels.len() > MOST {
        return Err(invalid("too many labels"));
    }
    pull.labels = labels;
    ok(&json(&repository, state.base(), pull))
}

/// `DELETE /repos/{owner}/{repo}/issues/{number}/labels/{name}`
pub(super) async fn remove(
    State(state): State<Shared>,
    Path((owner, repo, number, name)): Path<(String, String, String, String)>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let mut kept = repository.state.lock().await;
    let pull = kept.pulls.get_mut(parse_number(&number)?)?;
    if pull.labels.remove(&name.to_lowercase()).is_none() {
        return Err(ApiError::new(
            axum::http::StatusCode::NOT_FOUND,
            "Label does not exist",
        ));
    }
    ok(&json(&repository, state.base(), pull))
}

/// The labels of a pull request. As on GitHub, one that the repository does not have yet is made
/// when it is first used.
pub(super) fn json(repository: &Repository, base: &str, pull: &Pull) -> Value {
    let label = |name: &String| {
        let whole = format!("{}:{}", repository.name, name.to_lowercase());
        json!({
            "id": id(&whole),
            "node_id": node_id("LA", &whole),
            "url": repository.url(base, &format!("/labels/{name}")),
            "name": name,
            "description": "",
            "color": COLOUR,
            "default": false,
        })
    };
    pull.labels.values().map(label).collect()
}

/// `{"labels": ["a"]}`, or `["a"]` alone.
fn names(body: &Bytes) -> Result<Vec<String>, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|_| ApiError::unreadable())?;
    let list = value.as_array().or_else(|| value["labels"].as_array());
    let mut names = Vec::new();
    for entry in list.ok_or_else(|| invalid("labels must be a list"))? {
        let name = entry.as_str().map(str::trim).unwrap_or_default();
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(invalid("a label has 1 to 50 characters"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn invalid(message: &str) -> ApiError {
    ApiError::validation(json!([{
        "resource": "Label",
        "code": "custom",
        "field": "name",
        "message": message,
    }]))
}
