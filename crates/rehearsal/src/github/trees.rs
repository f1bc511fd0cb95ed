use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use process::ProcessError;
use serde_json::{Value, json};
use std::collections::HashMap;

use super::answer::{ApiError, ApiResult, Input, answer, ok};
use super::git::NEVER;
use super::identity::node_id;
use super::names::is_object_id;
use super::repository::Repository;
use super::server::Shared;
use super::writing::scratch_in;

/// Entries handed to one git command, well below what a command line may hold.
const BATCH: usize = 100;
/// What git can check out anywhere, in bytes.
const LONGEST_PATH: usize = 4096;
/// GitHub's limit for the entries of one request.
const MOST_ENTRIES: usize = 100_000;
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
    let bytes = repository.git.blob(&sha).await?;
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
        found = Some(repository.git.tree_of(&commit).await?);
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
    if wanted.len() > MOST_ENTRIES {
        return Err(ApiError::unprocessable("tree has too many entries"));
    }
    let mut added = Vec::new();
    let mut removed = String::new();
    let mut written = write_contents(&repository, wanted).await?;
    for entry in wanted {
        let path = text(entry, "path").unwrap_or_default();
        match change(&repository, entry, &mut written).await? {
            Some((mode, sha)) => added.push(format!("{mode},{sha},{path}")),
            None => removed.push_str(&format!("0 {} 0\t{path}\0", "0".repeat(40))),
        }
    }
    let sha = write_tree(&repository, base.as_deref(), &added, removed).await?;
    let body = json(&repository, state.base(), &sha, false).await?;
    Ok(answer(StatusCode::CREATED, &body))
}

fn text<'a>(entry: &'a Value, field: &str) -> Option<&'a str> {
    entry.get(field).and_then(Value::as_str)
}

/// Writes what entries give as `content`; the ids come in the order of those entries.
async fn write_contents(
    repository: &Repository,
    wanted: &[Value],
) -> Result<std::vec::IntoIter<String>, ApiError> {
    let contents = wanted.iter().filter_map(|entry| text(entry, "content"));
    let contents: Vec<&[u8]> = contents.map(str::as_bytes).collect();
    Ok(repository.git.write_blobs(&contents).await?.into_iter())
}

/// The mode and the object of an entry; `None` for one that goes. `written` has the ids of the contents that are left.
async fn change(
    repository: &Repository,
    entry: &Value,
    written: &mut impl Iterator<Item = String>,
) -> Result<Option<(&'static str, String)>, ApiError> {
    check_path(text(entry, "path").unwrap_or_default())?;
    let mode = match text(entry, "mode") {
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
    match (entry.get("sha"), text(entry, "content")) {
        (Some(Value::Null), None) => Ok(None),
        (Some(Value::String(sha)), None) if mode == "160000" && is_object_id(sha) => {
            Ok(Some((mode, sha.clone())))
        }
        (Some(Value::String(sha)), None) => {
            let found = repository.git.object(sha, "blob").await?;
            let sha = found.ok_or_else(|| {
                ApiError::unprocessable(format!("tree.sha {sha} is not a valid blob"))
            })?;
            Ok(Some((mode, sha)))
        }
        (None, Some(_)) => {
            let sha = written.next().ok_or_else(ApiError::not_found)?;
            Ok(Some((mode, sha)))
        }
        (Some(_), Some(_)) => Err(ApiError::unprocessable(
            "Must supply either tree.sha or tree.content, not both",
        )),
        _ => Err(ApiError::unprocessable(
            "Must supply either tree.sha or tree.content",
        )),
    }
}

fn check_path(path: &str) -> Result<(), ApiError> {
    if path.starts_with('/') {
        return Err(ApiError::unprocessable(
            "tree.path cannot start with a slash",
        ));
    }
    let bad = |part: &str| matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git");
    if path.len() > LONGEST_PATH || path.contains('\0') || path.split('/').any(bad) {
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
    removed: String,
) -> Result<String, ApiError> {
    let git = &repository.git;
    let scratch = scratch_in(git.dir())?;
    let index = scratch.path().join("index");
    let command = |args: &[&str]| git.command(args).env("GIT_INDEX_FILE", &index);

    git.start(command(&["read-tree", base.unwrap_or("--empty")]))
        .await?;
    if !removed.is_empty() {
        let update = command(&["update-index", "-z", "--index-info"]).stdin(removed);
        git.start(update).await?;
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
    let tree = tree.stdout_text().trim().to_owned();
    git.wrote_tree(&tree);
    Ok(tree)
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
    let args = ["ls-tree", "-z", "-l"].iter().chain(flags).chain([&tree]);
    let bytes = repository.git.about(NEVER, args).await?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
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
