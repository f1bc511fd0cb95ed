use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, Input, answer, check_body};
use super::identity::{Actor, node_id};
use super::pages::Page;
use super::pulls::{Comment, parse_number};
use super::repository::{Repository, association};
use super::server::Shared;

/// GitHub's limit for one request.
const MOST: usize = 2500;

/// `GET /repos/{owner}/{repo}/issues/{number}/comments`
pub(super) async fn list(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let mut kept = repository.state.lock().await;
    let number = parse_number(&number)?;
    let comments = kept.comments_mut(number)?;
    let page = Page::of(&query, 30, 100);
    let listed: Vec<Value> = page
        .cut(comments.iter().enumerate().collect())
        .map(|(index, comment)| json(&repository, state.base(), number, (index, comment)))
        .collect();
    let url = repository.url(state.base(), &format!("/issues/{number}/comments"));
    Ok(page.answer(listed, comments.len(), &url, &query))
}

/// `POST /repos/{owner}/{repo}/issues/{number}/comments`
pub(super) async fn create(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    actor: Actor,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let body = input.need_text("body")?;
    check_body("IssueComment", Some(body))?;
    if body.trim().is_empty() {
        return Err(ApiError::validation(json!([{
            "resource": "IssueComment",
            "code": "missing_field",
            "field": "body",
        }])));
    }
    let mut kept = repository.state.lock().await;
    let number = parse_number(&number)?;
    let comments = kept.comments_mut(number)?;
    if comments.len() >= MOST {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "Commenting is disabled on issues with more than 2500 comments",
        ));
    }
    let comment = Comment {
        by: actor,
        body: body.to_owned(),
        created: Timestamp::now(),
    };
    comments.push(comment.clone());
    let place = (comments.len() - 1, &comment);
    let json = json(&repository, state.base(), number, place);
    Ok(answer(StatusCode::CREATED, &json))
}

fn json(
    repository: &Repository,
    base: &str,
    number: u64,
    (index, comment): (usize, &Comment),
) -> Value {
    let id = format!("{number}{:04}", index + 1);
    let page = repository.html_url(base, &format!("/pull/{number}"));
    json!({
        "id": id.parse::<u64>().unwrap_or_default(),
        "node_id": node_id("IC", &format!("{}:{id}", repository.name)),
        "url": repository.url(base, &format!("/issues/comments/{id}")),
        "html_url": format!("{page}#issuecomment-{id}"),
        "issue_url": repository.url(base, &format!("/issues/{number}")),
        "user": comment.by.json(base),
        "body": comment.body,
        "author_association": association(comment.by),
        "performed_via_github_app": null,
        "created_at": comment.created,
        "updated_at": comment.created,
    })
}
