use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, ok};
use super::commits;
use super::repository::Repository;
use super::server::Shared;

/// GitHub lists at most this many commits a page.
const LARGEST_PAGE: usize = 250;

/// `GET /repos/{owner}/{repo}/compare/{base}...{head}`
pub(super) async fn compare(
    State(state): State<Shared>,
    Path((owner, repo, basehead)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let base_url = state.base();
    let (base, head) = basehead.split_once("...").ok_or_else(ApiError::not_found)?;
    let base_sha = find(&repository, base).await?;
    let head_sha = find(&repository, head).await?;
    let git = &repository.git;
    let Some(fork) = git
        .text_unless(1, ["merge-base", &base_sha, &head_sha])
        .await?
    else {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            format!("No common ancestor between {base} and {head}."),
        ));
    };
    let (behind_by, ahead_by) = git.left_right(&base_sha, &head_sha).await?;
    let status = match (ahead_by, behind_by) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };

    let (page, per_page) = page(&query, LARGEST_PAGE, LARGEST_PAGE);
    let range = format!("{base_sha}..{head_sha}");
    let shas = git.text(["rev-list", "--reverse", &range]).await?;
    let mut listed: Vec<Value> = Vec::new();
    for sha in shas.lines().skip((page - 1) * per_page).take(per_page) {
        listed.push(commit(&repository, base_url, sha).await?);
    }
    let files = files(&repository, base_url, &fork, &head_sha).await?;
    let page_url = repository.html_url(base_url, &format!("/compare/{basehead}"));
    ok(&json!({
        "url": repository.url(base_url, &format!("/compare/{basehead}")),
        "html_url": page_url,
        "permalink_url": page_url,
        "diff_url": format!("{page_url}.diff"),
        "patch_url": format!("{page_url}.patch"),
        "base_commit": commit(&repository, base_url, &base_sha).await?,
        "merge_base_commit": commit(&repository, base_url, &fork).await?,
        "status": status,
        "ahead_by": ahead_by,
        "behind_by": behind_by,
        "total_commits": ahead_by,
        "commits": listed,
        "files": files,
    }))
}

/// The page asked for, from 1, and its length.
pub(super) fn page(
    query: &HashMap<String, String>,
    default: usize,
    largest: usize,
) -> (usize, usize) {
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let per_page = number("per_page").unwrap_or(default).clamp(1, largest);
    let page = number("page").unwrap_or(1).clamp(1, 1_000_000);
    (page, per_page)
}

async fn find(repository: &Repository, name: &str) -> Result<String, ApiError> {
    // `owner:branch` is how a branch of a fork would be named.
    let name = match name.split_once(':') {
        Some((owner, branch)) if owner.eq_ignore_ascii_case(repository.name.owner()) => branch,
        Some(_) => return Err(ApiError::not_found()),
        None => name,
    };
    let found = repository.git.commit(name).await?;
    found.ok_or_else(ApiError::not_found)
}

async fn commit(repository: &Repository, base: &str, sha: &str) -> Result<Value, ApiError> {
    let commit = commits::load(repository, sha).await?;
    let commit = commit.ok_or_else(ApiError::not_found)?;
    Ok(commit.json(repository, base))
}

/// What a pull request from `head` would change, renames shown as a removal and an addition.
async fn files(
    repository: &Repository,
    base: &str,
    fork: &str,
    head: &str,
) -> Result<Vec<Value>, ApiError> {
    let diff = async |form: &str| {
        let args = ["diff-tree", "-r", "-z", "--no-renames", form, fork, head];
        Ok::<_, ApiError>(repository.git.run(args).await?.stdout_text())
    };
    // `:100644 100644 <old> <new> M\0path\0…`, and `3\t1\tpath\0…` in the same order.
    let (raw, lines) = (diff("--raw").await?, diff("--numstat").await?);
    let mut parts = raw.split_terminator('\0');
    let mut lines = lines.split_terminator('\0');
    let mut files = Vec::new();
    while let (Some(facts), Some(path)) = (parts.next(), parts.next()) {
        let facts: Vec<&str> = facts.split(' ').collect();
        let status = match facts.get(4) {
            Some(&"A") => "added",
            Some(&"D") => "removed",
            _ => "modified",
        };
        // Binary files have `-` for a number.
        let mut counts = lines
            .next()
            .unwrap_or_default()
            .split('\t')
            .map(|count| count.parse::<u64>().unwrap_or(0));
        let (added, deleted) = (
            counts.next().unwrap_or_default(),
            counts.next().unwrap_or_default(),
        );
        files.push(json!({
            "sha": facts.get(3),
            "filename": path,
            "status": status,
            "additions": added,
            "deletions": deleted,
            "changes": added + deleted,
            "blob_url": repository.html_url(base, &format!("/blob/{head}/{path}")),
            "raw_url": repository.html_url(base, &format!("/raw/{head}/{path}")),
            "contents_url": repository.url(base, &format!("/contents/{path}")),
        }));
    }
    Ok(files)
}
