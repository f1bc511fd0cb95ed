use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, ok};
use super::repository::Repository;
use super::server::Shared;
use super::trees::{self, Entry, base64_lines};

/// GitHub leaves the content of larger files out.
const LARGEST_INLINE: u64 = 1024 * 1024;

/// `GET /repos/{owner}/{repo}`
pub(super) async fn repository(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
) -> ApiResult {
    ok(&state.repository(&owner, &repo)?.json(state.base()))
}

/// `GET /repos/{owner}/{repo}/contents`
pub(super) async fn root(
    state: State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    query: Query<HashMap<String, String>>,
) -> ApiResult {
    path(state, Path((owner, repo, String::new())), query).await
}

/// `GET /repos/{owner}/{repo}/contents/{path}`
pub(super) async fn path(
    State(state): State<Shared>,
    Path((owner, repo, path)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let missing = |text: &str| ApiError::new(StatusCode::NOT_FOUND, text);
    if repository.git.is_empty().await? {
        return Err(missing("This repository is empty."));
    }
    let at = query.get("ref").unwrap_or(&repository.default_branch);
    let commit = repository.git.commit(at).await?;
    let commit = commit.ok_or_else(|| missing(&format!("No commit found for the ref {at}")))?;

    let place = Place {
        repository: &repository,
        base: state.base(),
        at,
    };
    let tree = match find(&repository, &commit, &path).await? {
        Found::File(entry) => return ok(&place.file(&path, entry).await?),
        Found::Folder(tree) => tree,
        Found::Nothing => return Err(ApiError::not_found()),
    };
    let folder = parts(&path).join("/");
    let listed: Vec<Value> = trees::list(&repository, &[], &tree)
        .await?
        .into_iter()
        .map(|entry| {
            let path = if folder.is_empty() {
                entry.path.clone()
            } else {
                format!("{folder}/{}", entry.path)
            };
            place.entry(&path, &entry)
        })
        .collect();
    ok(&listed.into())
}

/// What is at a path of a commit.
enum Found {
    File(Entry),
    Folder(String),
    Nothing,
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

async fn find(repository: &Repository, commit: &str, path: &str) -> Result<Found, ApiError> {
    let mut tree = repository.git.tree_of(commit).await?;
    let parts = parts(path);
    for (index, part) in parts.iter().enumerate() {
        let entries = trees::list(repository, &[], &tree).await?;
        match entries.into_iter().find(|entry| entry.path == *part) {
            Some(entry) if entry.kind == "tree" => tree = entry.sha,
            Some(entry) if index + 1 == parts.len() => return Ok(Found::File(entry)),
            _ => return Ok(Found::Nothing),
        }
    }
    Ok(Found::Folder(tree))
}

/// The text of a file on a branch, a tag or a commit, if it is there.
pub(super) async fn text(
    repository: &Repository,
    at: &str,
    path: &str,
) -> Result<Option<String>, ApiError> {
    let Some(commit) = repository.git.commit(at).await? else {
        return Ok(None);
    };
    match find(repository, &commit, path).await? {
        Found::File(entry) if entry.kind == "blob" => {
            let bytes = repository.git.blob(&entry.sha).await?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
        _ => Ok(None),
    }
}

/// Where the entries of an answer are.
struct Place<'a> {
    repository: &'a Repository,
    base: &'a str,
    at: &'a str,
}

impl Place<'_> {
    fn entry(&self, path: &str, entry: &Entry) -> Value {
        let kind = match (entry.kind.as_str(), entry.mode.as_str()) {
            ("tree", _) => "dir",
            ("commit", _) => "submodule",
            (_, "120000") => "symlink",
            _ => "file",
        };
        let url = format!(
            "{}?ref={}",
            self.repository.url(self.base, &format!("/contents/{path}")),
            super::answer::encode(self.at)
        );
        let git_kind = if kind == "dir" { "trees" } else { "blobs" };
        let place = format!("/git/{git_kind}/{}", entry.sha);
        let git_url = self.repository.url(self.base, &place);
        let page = format!("/blob/{}/{path}", self.at);
        let html_url = self.repository.html_url(self.base, &page);
        json!({
            "name": path.rsplit('/').next().unwrap_or(path),
            "path": path,
            "sha": entry.sha,
            "size": entry.size.unwrap_or_default(),
            "url": url,
            "html_url": html_url,
            "git_url": git_url,
            "download_url": null,
            "type": kind,
            "_links": { "self": url, "git": git_url, "html": html_url },
        })
    }

    async fn file(&self, path: &str, entry: Entry) -> Result<Value, ApiError> {
        let mut json = self.entry(path, &entry);
        if entry.kind != "blob" {
            return Ok(json);
        }
        let small = entry.size.unwrap_or_default() <= LARGEST_INLINE;
        let bytes = if small {
            let git = &self.repository.git;
            git.blob(&entry.sha).await?
        } else {
            Arc::default()
        };
        if entry.mode == "120000" {
            json["target"] = String::from_utf8_lossy(&bytes).into_owned().into();
        } else {
            json["content"] = base64_lines(&bytes).into();
            json["encoding"] = if small { "base64" } else { "none" }.into();
        }
        Ok(json)
    }
}
