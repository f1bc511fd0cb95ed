use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, ok};
use super::identity::{id, node_id};
use super::pulls::parse_number;
use super::repository::Repository;
use super::server::Shared;

/// GitHub's limits: characters of a name, labels of one request.
const LONGEST_NAME: usize = 50;
const MOST: usize = 100;
/// The colour of a label that nobody chose one for.
const COLOUR: &str = "ededed";

/// `POST /repos/{owner}/{repo}/issues/{number}/labels`
pub(super) async fn add(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let names = names(&body)?;
    let mut kept = repository.state.lock().await;
    let labels = kept.labels_mut(parse_number(&number)?)?;
    *labels = added(labels, names)?;
    ok(&json(&repository, state.base(), labels))
}

/// These labels, beside those that are there.
pub(super) fn added(
    there: &BTreeMap<String, String>,
    names: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut labels = there.clone();
    for name in names {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(invalid("a label has 1 to 50 characters"));
        }
        let entry = labels.entry(name.to_lowercase());
        entry.or_insert_with(|| name.to_owned());
    }
    match labels.len() > MOST {
        true => Err(invalid("too many labels")),
        false => Ok(labels),
    }
}

/// The labels of a pull request or an issue. As on GitHub, one that the repository does not have yet is made
/// when it is first used.
pub(super) fn json(
    repository: &Repository,
    base: &str,
    labels: &BTreeMap<String, String>,
) -> Value {
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
    labels.values().map(label).collect()
}

/// `{"labels": ["a"]}`, or `["a"]` alone.
fn names(body: &Bytes) -> Result<Vec<String>, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|_| ApiError::unreadable())?;
    let list = value.as_array().or_else(|| value["labels"].as_array());
    let mut names = Vec::new();
    for entry in list.ok_or_else(|| invalid("labels must be a list"))? {
        names.push(entry.as_str().unwrap_or_default().to_owned());
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
