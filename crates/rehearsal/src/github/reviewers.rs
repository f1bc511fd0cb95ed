use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, Input, answer};
use super::identity::{id, node_id};
use super::pulls::parse_number;
use super::repository::Repository;
use super::server::Shared;

/// GitHub's limit for one pull request.
const MOST: usize = 100;
/// GitHub's limit for a login, in characters.
const LONGEST_LOGIN: usize = 39;

/// `POST /repos/{owner}/{repo}/pulls/{number}/requested_reviewers`
pub(super) async fn request(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let (users, teams) = (input.texts("reviewers")?, input.texts("team_reviewers")?);
    let mut kept = repository.state.lock().await;
    let pull = kept.pulls.get_mut(parse_number(&number)?)?;
    if users
        .iter()
        .any(|login| login.eq_ignore_ascii_case(pull.by.login()))
    {
        return Err(ApiError::unprocessable(
            "Review cannot be requested from pull request author.",
        ));
    }
    // There are no accounts here: every name that may be one is a collaborator.
    if !users.iter().chain(&teams).all(|name| is_name(name)) {
        return Err(ApiError::unprocessable(format!(
            "Reviews may only be requested from collaborators. One or more of the users or teams \
             you specified is not a collaborator of the {} repository.",
            repository.name
        )));
    }
    let added = add(&pull.reviewers, &users)?;
    pull.teams = add(&pull.teams, &teams)?;
    pull.reviewers = added;
    let json = pull.json(&repository, state.base());
    Ok(answer(StatusCode::CREATED, &json))
}

fn add(present: &[String], new: &[&str]) -> Result<Vec<String>, ApiError> {
    let mut all = present.to_vec();
    for name in new {
        if !all.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            all.push((*name).to_owned());
        }
    }
    if all.len() > MOST {
        return Err(ApiError::unprocessable("Too many review requests."));
    }
    Ok(all)
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=LONGEST_LOGIN).contains(&text.len()) && text.chars().all(plain)
}

/// A team of the repository's owner.
pub(super) fn team(repository: &Repository, base: &str, slug: &str) -> Value {
    let owner = repository.name.owner();
    let whole = format!("{owner}/{slug}");
    let url = format!("{base}/orgs/{owner}/teams/{slug}");
    json!({
        "id": id(&whole),
        "node_id": node_id("T", &whole),
        "name": slug,
        "slug": slug,
        "description": null,
        "privacy": "closed",
        "permission": "push",
        "type": "organization",
        "url": url,
        "html_url": url,
        "members_url": format!("{url}/members{{/member}}"),
        "repositories_url": format!("{url}/repos"),
        "parent": null,
    })
}
