use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, ok};
use super::commits;
use super::git::NEVER;
use super::pages::Page;
use super::repository::Repository;
use super::server::Shared;

/// GitHub lists at most this many commits a page.
const LARGEST_PAGE: usize = 250;
/// And this many files in all.
const MOST_FILES: usize = 300;

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
    let Some(fork) = git.fork(&base_sha, &head_sha).await? else {
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

    let page = Page::of(&query, LARGEST_PAGE, LARGEST_PAGE);
    let range = format!("{base_sha}..{head_sha}");
    let shas = git
        .text_about(NEVER, ["rev-list", "--reverse", &range])
        .await?;
    let shas = shas.unwrap_or_default();
    let mut listed: Vec<Value> = Vec::new();
    for sha in page.cut(shas.lines().collect()) {
        listed.push(commit(&repository, base_url, sha).await?);
    }
    let changes = changes(&repository, &fork, &head_sha).await?;
    let files = changes
        .iter()
        .map(|it| it.json(&repository, base_url, &head_sha));
    let files: Vec<Value> = files.take(MOST_FILES).collect();
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

/// A file that two commits have differently.
#[derive(Clone, Debug)]
pub(super) struct Change {
    blob: String,
    path: String,
    status: &'static str,
    pub(super) additions: u64,
    pub(super) deletions: u64,
}

/// What differs between two commits, renames shown as a removal and an addition.
pub(super) async fn changes(
    repository: &Repository,
    from: &str,
    to: &str,
) -> Result<Vec<Change>, ApiError> {
    // First `:100644 100644 <old> <new> M\0path\0…`, then `3\t1\tpath\0…` in the same order.
    let args = [
        "diff-tree",
        "-r",
        "-z",
        "--no-renames",
        "--raw",
        "--numstat",
        from,
        to,
    ];
    let text = repository.git.text_about(NEVER, args).await?;
    let text = text.unwrap_or_default();
    let mut parts = text.split_terminator('\0').peekable();
    let mut changes = Vec::new();
    while let Some(facts) = parts.next_if(|part| part.starts_with(':')) {
        let facts: Vec<&str> = facts.split(' ').collect();
        let Some(path) = parts.next() else { break };
        changes.push(Change {
            blob: facts.get(3).copied().unwrap_or_default().to_owned(),
            path: path.to_owned(),
            status: match facts.get(4) {
                Some(&"A") => "added",
                Some(&"D") => "removed",
                _ => "modified",
            },
            additions: 0,
            deletions: 0,
        });
    }
    for (change, line) in changes.iter_mut().zip(parts) {
        // Binary files have `-` for a number.
        let mut counts = line.split('\t').map(|count| count.parse().unwrap_or(0));
        change.additions = counts.next().unwrap_or_default();
        change.deletions = counts.next().unwrap_or_default();
    }
    Ok(changes)
}

impl Change {
    pub(super) fn json(&self, repository: &Repository, base: &str, head: &str) -> Value {
        let path = &self.path;
        json!({
            "sha": self.blob,
            "filename": path,
            "status": self.status,
            "additions": self.additions,
            "deletions": self.deletions,
            "changes": self.additions + self.deletions,
            "blob_url": repository.html_url(base, &format!("/blob/{head}/{path}")),
            "raw_url": repository.html_url(base, &format!("/raw/{head}/{path}")),
            "contents_url": repository.url(base, &format!("/contents/{path}")),
        })
    }
}
