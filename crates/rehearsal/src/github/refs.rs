use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, Input, answer, ok};
use super::git::Reference;
use super::identity::node_id;
use super::names::is_ref_name;
use super::repository::Repository;
use super::server::Shared;

type Named = Path<(String, String, String)>;

/// `GET /repos/{owner}/{repo}/git/ref/{ref}`
pub(super) async fn read(
    State(state): State<Shared>,
    Path((owner, repo, name)): Named,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let full = format!("refs/{name}");
    match repository.git.read_ref(&full).await? {
        Some(sha) => {
            let kind = repository.git.kind(&sha).await?;
            let name = full;
            let found = Reference { name, kind, sha };
            ok(&json(&repository, state.base(), &found))
        }
        None => {
            repository.need_commits().await?;
            Err(ApiError::not_found())
        }
    }
}

/// `GET /repos/{owner}/{repo}/git/matching-refs/{ref}`
pub(super) async fn list(
    State(state): State<Shared>,
    Path((owner, repo, prefix)): Named,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    repository.need_commits().await?;
    let found = repository.git.refs_from(&format!("refs/{prefix}")).await?;
    let listed = found
        .iter()
        .map(|reference| json(&repository, state.base(), reference));
    ok(&listed.collect())
}

/// `POST /repos/{owner}/{repo}/git/refs`
pub(super) async fn create(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let (name, sha) = (input.need_text("ref")?, input.need_text("sha")?);
    if !name.starts_with("refs/") || name.split('/').count() < 3 {
        return Err(ApiError::unprocessable(
            "Reference name must contain at least three slash-separated components.",
        ));
    }
    repository.need_commits().await?;
    if !is_ref_name(name) {
        return Err(ApiError::unprocessable(format!(
            "{name} is not a valid ref name."
        )));
    }
    let sha = known_commit(&repository, sha).await?;

    let _writing = repository.state.lock().await;
    if !repository.git.set_ref(name, &sha, None).await? {
        // A branch `a` stands in the way of a branch `a/b`.
        let exists = repository.git.read_ref(name).await?.is_some();
        return Err(ApiError::unprocessable(if exists {
            "Reference already exists"
        } else {
            "Reference update failed"
        }));
    }
    let body = json(&repository, state.base(), &commit_at(name.to_owned(), sha));
    Ok(answer(StatusCode::CREATED, &body))
}

/// `PATCH /repos/{owner}/{repo}/git/refs/{ref}`
pub(super) async fn update(
    State(state): State<Shared>,
    Path((owner, repo, name)): Named,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let (sha, force) = (input.need_text("sha")?, input.flag("force")?);
    let full = format!("refs/{name}");
    let git = &repository.git;

    let _writing = repository.state.lock().await;
    let Some(old) = git.read_ref(&full).await? else {
        return Err(ApiError::unprocessable("Reference does not exist"));
    };
    let sha = known_commit(&repository, sha).await?;
    if !force && git.left_right(&old, &sha).await?.0 > 0 {
        return Err(ApiError::unprocessable("Update is not a fast forward"));
    }
    if !git.set_ref(&full, &sha, Some(&old)).await? {
        return Err(ApiError::unprocessable("Reference update failed"));
    }
    ok(&json(&repository, state.base(), &commit_at(full, sha)))
}

/// `DELETE /repos/{owner}/{repo}/git/refs/{ref}`
pub(super) async fn delete(
    State(state): State<Shared>,
    Path((owner, repo, name)): Named,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let full = format!("refs/{name}");
    let branch = name.strip_prefix("heads/");

    let mut kept = repository.state.lock().await;
    let Some(old) = repository.git.read_ref(&full).await? else {
        return Err(ApiError::unprocessable("Reference does not exist"));
    };
    if branch == Some(&repository.default_branch) {
        return Err(ApiError::unprocessable("Cannot delete the default branch"));
    }
    if let Some(branch) = branch {
        kept.pulls.branch_goes(branch, &old);
    }
    repository
        .git
        .run(["update-ref", "-d", &full, &old])
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn known_commit(repository: &Repository, sha: &str) -> Result<String, ApiError> {
    let found = repository.git.object(sha, "commit").await?;
    found.ok_or_else(|| ApiError::unprocessable("Object does not exist"))
}

fn commit_at(name: String, sha: String) -> Reference {
    let kind = "commit".to_owned();
    Reference { name, kind, sha }
}

fn json(repository: &Repository, base: &str, reference: &Reference) -> Value {
    let Reference { name, kind, sha } = reference;
    json!({
        "ref": name,
        "node_id": node_id("REF", &format!("{}:{name}", repository.name)),
        "url": repository.url(base, &format!("/git/{name}")),
        "object": {
            "type": kind,
            "sha": sha,
            "url": repository.url(base, &format!("/git/{kind}s/{sha}")),
        },
    })
}
