use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::store::{Pull, parse_number};
use crate::github::answer::{ApiError, ApiResult, Input, answer, check_body, ok};
use crate::github::identity::Actor;
use crate::github::repository::Repository;
use crate::github::server::Shared;

/// GitHub's limit, in characters.
const LONGEST_TITLE: usize = 256;

/// `POST /repos/{owner}/{repo}/pulls`
pub(in crate::github) async fn create(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    actor: Actor,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let (head, base) = (input.need_text("head")?, input.need_text("base")?);
    let title = input.text("title")?.unwrap_or_default().trim().to_owned();
    let text = input.text("body")?.map(str::to_owned);
    let draft = input.flag("draft")?;
    check_title("PullRequest", &title)?;
    check_body("Issue", text.as_deref())?;
    let head = own_branch(&repository, head).ok_or_else(|| invalid("head", "invalid"))?;

    let mut kept = repository.state.lock().await;
    let git = &repository.git;
    let head_sha = git.read_ref(&format!("refs/heads/{head}")).await?;
    let head_sha = head_sha.ok_or_else(|| invalid("head", "invalid"))?;
    let base_sha = git.read_ref(&format!("refs/heads/{base}")).await?;
    let base_sha = base_sha.ok_or_else(|| invalid("base", "invalid"))?;
    if kept.pulls.open_between(head, base).is_some() {
        return Err(exists(&repository, head));
    }
    if git.left_right(&base_sha, &head_sha).await?.1 == 0 {
        return Err(custom(&format!("No commits between {base} and {head}")));
    }
    let now = Timestamp::now();
    let pull = Pull {
        number: kept.next_number(),
        by: actor,
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
        merged: None,
        auto_merge: None,
        labels: Default::default(),
        reviewers: Vec::new(),
        teams: Vec::new(),
        comments: Vec::new(),
    };
    kept.pulls.add(pull.clone());
    let met = kept.missing(&pull).is_none();
    drop(kept);
    let json = pull.full_json(&repository, state.base(), met).await?;
    Ok(answer(StatusCode::CREATED, &json))
}

/// `PATCH /repos/{owner}/{repo}/pulls/{number}`
pub(in crate::github) async fn update(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let (title, text) = (input.text("title")?, input.text("body")?);
    check_body("Issue", text)?;
    let title = title.map(str::trim);
    title.map_or(Ok(()), |title| check_title("PullRequest", title))?;
    let git = &repository.git;
    let mut kept = repository.state.lock().await;
    let mut pull = kept.pulls.get_mut(parse_number(&number)?)?.clone();
    pull.refresh(&repository).await?;

    if let Some(base) = input.text("base")? {
        let sha = git.read_ref(&format!("refs/heads/{base}")).await?;
        pull.base_sha = sha.ok_or_else(|| invalid("base", "invalid"))?;
        if base != pull.base && kept.pulls.open_between(&pull.head, base).is_some() {
            return Err(exists(&repository, &pull.head));
        }
        base.clone_into(&mut pull.base);
    }
    match (input.text("state")?, pull.is_open()) {
        (None, _) | (Some("open"), true) | (Some("closed"), false) => {}
        (Some("closed"), true) => pull.close(),
        (Some("open"), false) => {
            let head = git.read_ref(&format!("refs/heads/{}", pull.head)).await?;
            if pull.merged.is_some() || head.is_none() {
                return Err(invalid("state", "invalid"));
            }
            if kept.pulls.open_between(&pull.head, &pull.base).is_some() {
                return Err(exists(&repository, &pull.head));
            }
            pull.closed = None;
            pull.refresh(&repository).await?;
        }
        (Some(_), _) => return Err(invalid("state", "invalid")),
    }
    if let Some(title) = title {
        title.clone_into(&mut pull.title);
    }
    if let Some(text) = text {
        pull.body = Some(text.to_owned());
    }
    pull.updated = Timestamp::now();
    let number = pull.number;
    *kept.pulls.get_mut(number)? = pull.clone();
    let met = kept.missing(&pull).is_none();
    drop(kept);
    ok(&pull.full_json(&repository, state.base(), met).await?)
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

pub(in crate::github) fn check_title(resource: &str, title: &str) -> Result<(), ApiError> {
    if title.is_empty() {
        return Err(ApiError::validation(json!([{
            "resource": resource, "code": "missing_field", "field": "title",
        }])));
    }
    if title.chars().count() > LONGEST_TITLE {
        return Err(ApiError::validation(json!([{
            "resource": resource,
            "code": "custom",
            "field": "title",
            "message": "title is too long (maximum is 256 characters)",
        }])));
    }
    Ok(())
}

fn exists(repository: &Repository, head: &str) -> ApiError {
    let owner = repository.name.owner();
    custom(&format!(
        "A pull request already exists for {owner}:{head}."
    ))
}

fn invalid(field: &str, code: &str) -> ApiError {
    ApiError::validation(json!([{ "resource": "PullRequest", "code": code, "field": field }]))
}

fn custom(message: &str) -> ApiError {
    ApiError::validation(
        json!([{ "resource": "PullRequest", "code": "custom", "message": message }]),
    )
}
