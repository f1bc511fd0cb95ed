use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use process::ProcessError;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;

use super::answer::{ApiError, ApiResult, Input, answer, ok};
use super::repository::{Repository, node_id};
use super::server::Shared;

/// Paths handed to one git command, well below what a command line may hold.
const BATCH: usize = 100;
/// GitHub breaks base64 into lines of this length.
const BASE64_LINE: usize = 60;

/// An entry of a tree, as `git ls-tree` prints it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) mode: String,
    pub(super) kind: String,
    pub(super) sha: String,
    pub(super) size: Option<u64>,
    pub(super) path: String,
}

/// `POST /repos/{owner}/{repo}/git/blobs`
pub(super) async fn create_blob(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let content = input.need_text("content")?;
    let bytes = match input.text("encoding")?.unwrap_or("utf-8") {
        "utf-8" => content.as_bytes().to_vec(),
        "base64" => {
            let packed: String = content.split_ascii_whitespace().collect();
            STANDARD
                .decode(packed)
                .map_err(|_| ApiError::unprocessable("content is not valid Base64"))?
        }
        other => {
            return Err(ApiError::unprocessable(format!(
                "encoding must be utf-8 or base64, not {other}"
            )));
        }
    };
    repository.need_commits().await?;
    let sha = repository.git.write_blob(bytes).await?;
    let url = repository.url(state.base(), &format!("/git/blobs/{sha}"));
    Ok(answer(
        StatusCode::CREATED,
        &json!({ "sha": sha, "url": url }),
    ))
}

/// `GET /repos/{owner}/{repo}/git/blobs/{sha}`
pub(super) async fn read_blob(
    State(state): State<Shared>,
    Path((owner, repo, sha)): Path<(String, String, String)>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let Some(sha) = repository.git.object(&sha, "blob").await? else {
        return Err(ApiError::not_found());
    };
    let bytes = repository.git.run(["cat-file", "blob", &sha]).await?.stdout;
    ok(&json!({
        "sha": sha,
        "node_id": node_id("B", &sha),
        "size": bytes.len(),
        "url": repository.url(state.base(), &format!("/git/blobs/{sha}")),
        "content": base64_lines(&bytes),
        "encoding": "base64",
    }))
}

/// `GET /repos/{owner}/{repo}/git/trees/{sha}`
pub(super) async fn read_tree(
    State(state): State<Shared>,
    Path((owner, repo, name)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    repository.need_commits().await?;
    let mut found = repository.git.object(&name, "tree").await?;
    if found.is_none()
        && let Some(commit) = repository.git.commit(&name).await?
    {
        found = repository.git.object(&commit, "tree").await?;
    }
    let sha = found.ok_or_else(ApiError::not_found)?;
    // GitHub takes any value of `recursive` for yes, "false" too.
    let recursive = query.contains_key("recursive");
    ok(&json(&repository, state.base(), &sha, recursive).await?)
}

/// `POST /repos/{owner}/{repo}/git/trees`
pub(super) async fn create_tree(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let wanted = input.need_list("tree")?;
    repository.need_commits().await?;
    let base = match input.text("base_tree")? {
        Some(base) => {
            let found = repository.git.object(base, "tree").await?;
            Some(found.ok_or_else(ApiError::not_found)?)
        }
        None => None,
    };
    let mut added = Vec::new();
    let mut removed = Vec::new();
    for entry in wanted {
        match change(&repository, entry).await? {
            Change::Set { mode, sha, path } => added.push(format!("{mode},{sha},{path}")),
            Change::Remove { path } => removed.push(path),
        }
    }
    let sha = write_tree(&repository, base.as_deref(), &added, &removed).await?;
    let body = json(&repository, state.base(), &sha, false).await?;
    Ok(answer(StatusCode::CREATED, &body))
}

enum Change {
    Set {
        mode: &'static str,
        sha: String,
        path: String,
    },
    Remove {
        path: String,
    },
}

async fn change(repository: &Repository, entry: &Value) -> Result<Change, ApiError> {
    let text = |field: &str| entry.get(field).and_then(Value::as_str);
    let path = text("path").unwrap_or_default().to_owned();
    check_path(&path)?;
    let mode = match text("mode") {
        Some("100644") => "100644",
        Some("100755") => "100755",
        Some("120000") => "120000",
        Some("160000") => "160000",
        Some("040000") => {
            return Err(ApiError::unprocessable(
                "tree.mode 040000 is not served here: name the files",
            ));
        }
        _ => return Err(ApiError::unprocessable("Must supply a valid tree.mode")),
    };
    let sha = match (entry.get("sha"), text("content")) {
        (Some(Value::Null), None) => return Ok(Change::Remove { path }),
        (Some(Value::String(sha)), None) if mode == "160000" && super::git::is_object_id(sha) => {
            sha.clone()
        }
        (Some(Value::String(sha)), None) => {
            let found = repository.git.object(sha, "blob").await?;
            found.ok_or_else(|| {
                ApiError::unprocessable(format!("tree.sha {sha} is not a valid blob"))
            })?
        }
        (None, Some(content)) => {
            repository
                .git
                .write_blob(content.as_bytes().to_vec())
                .await?
        }
        (Some(_), Some(_)) => {
            return Err(ApiError::unprocessable(
                "Must supply either tree.sha or tree.content, not both",
            ));
        }
        _ => {
            return Err(ApiError::unprocessable(
                "Must supply either tree.sha or tree.content",
            ));
        }
    };
    Ok(Change::Set { mode, sha, path })
}

fn check_path(path: &str) -> Result<(), ApiError> {
    if path.starts_with('/') {
        return Err(ApiError::unprocessable(
            "tree.path cannot start with a slash",
        ));
    }
    let bad = |part: &str| matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git");
    if path.contains('\0') || path.split('/').any(bad) {
        return Err(malformed());
    }
    Ok(())
}

fn malformed() -> ApiError {
    ApiError::unprocessable("tree.path contains a malformed path component")
}

/// Writes the tree with an index of its own: git's rules for folders and names then hold.
async fn write_tree(
    repository: &Repository,
    base: Option<&str>,
    added: &[String],
    removed: &[String],
) -> Result<String, ApiError> {
    let git = &repository.git;
    let scratch = scratch_in(git.dir())?;
    let index = scratch.path().join("index");
    let command = |args: &[&str]| git.command(args).env("GIT_INDEX_FILE", &index);

    let base = base.unwrap_or("--empty");
    git.start(command(&["read-tree", base])).await?;
    if !removed.is_empty() {
        let lines: String = removed
            .iter()
            .map(|path| format!("0 {} 0\t{path}\0", "0".repeat(40)))
            .collect();
        git.start(command(&["update-index", "-z", "--index-info"]).stdin(lines))
            .await?;
    }
    for batch in added.chunks(BATCH) {
        let mut args = vec!["update-index", "--add", "--replace"];
        for entry in batch {
            args.extend(["--cacheinfo", entry]);
        }
        // This is where git itself refuses names such as `git~1`.
        git.start(command(&args))
            .await
            .map_err(|error| match error {
                ProcessError::Failed {
                    code: Some(128), ..
                } => malformed(),
                other => other.into(),
            })?;
    }
    let tree = git.start(command(&["write-tree"])).await?;
    Ok(tree.stdout_text().trim().to_owned())
}

/// In the repository's folder, so that it is on the same disk and goes with it.
fn scratch_in(git_dir: &std::path::Path) -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("pipeline-index-")
        // The names of a private repository's files are private, too.
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(git_dir)
}

async fn json(
    repository: &Repository,
    base: &str,
    sha: &str,
    recursive: bool,
) -> Result<Value, ApiError> {
    let flags: &[&str] = if recursive { &["-r", "-t"] } else { &[] };
    let entries = list(repository, flags, sha).await?;
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|entry| {
            let mut json = json!({
                "path": entry.path,
                "mode": entry.mode,
                "type": entry.kind,
                "sha": entry.sha,
            });
            if let Some(size) = entry.size {
                json["size"] = size.into();
            }
            if entry.kind != "commit" {
                let place = format!("/git/{}s/{}", entry.kind, entry.sha);
                json["url"] = repository.url(base, &place).into();
            }
            json
        })
        .collect();
    Ok(json!({
        "sha": sha,
        "url": repository.url(base, &format!("/git/trees/{sha}")),
        "tree": entries,
        "truncated": false,
    }))
}

/// What is in a tree.
pub(super) async fn list(
    repository: &Repository,
    flags: &[&str],
    tree: &str,
) -> Result<Vec<Entry>, ApiError> {
    let command = repository
        .git
        .command(["ls-tree", "-z", "-l"])
        .args(flags)
        .arg(tree);
    let text = repository.git.start(command).await?.stdout_text();
    Ok(text.split_terminator('\0').filter_map(entry).collect())
}

fn entry(line: &str) -> Option<Entry> {
    let (facts, path) = line.split_once('\t')?;
    let mut facts = facts.split_whitespace().map(str::to_owned);
    Some(Entry {
        mode: facts.next()?,
        kind: facts.next()?,
        sha: facts.next()?,
        size: facts.next()?.parse().ok(),
        path: path.to_owned(),
    })
}

/// Base64 in the lines that GitHub sends.
pub(super) fn base64_lines(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut out = String::with_capacity(text.len() + text.len() / BASE64_LINE + 1);
    for (index, c) in text.chars().enumerate() {
        out.push(c);
        if (index + 1) % BASE64_LINE == 0 {
            out.push('\n');
        }
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_for_its_user_only() {
        let git_dir = tempfile::tempdir().unwrap();
        let scratch = scratch_in(git_dir.path()).unwrap();
        let mode = scratch.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
