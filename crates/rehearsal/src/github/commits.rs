use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, Input, answer, ok};
use super::compare;
use super::git::NEVER;
use super::identity::{Actor, account, is_signer, node_id};
use super::repository::Repository;
use super::server::Shared;
use super::statuses;
use super::writing::Person;

/// What `git log` prints of a commit, NUL between the fields.
const FORMAT: &str = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B";

/// A commit as it is read from git.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) sha: String,
    pub(super) tree: String,
    pub(super) parents: Vec<String>,
    pub(super) author: Person,
    pub(super) committer: Person,
    pub(super) message: String,
}

/// `GET /repos/{owner}/{repo}/git/commits/{sha}`
pub(super) async fn read(
    State(state): State<Shared>,
    Path((owner, repo, sha)): Path<(String, String, String)>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    repository.need_commits().await?;
    let commit = load(&repository, &sha).await?;
    let commit = commit.ok_or_else(ApiError::not_found)?;
    ok(&commit.git_json(&repository, state.base()))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}` and `…/commits/{ref}/status`
pub(super) async fn read_named(
    State(state): State<Shared>,
    Path((owner, repo, name)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    repository.need_commits().await?;
    // Branches may have slashes in their names, and one may end with `/status`, as on GitHub.
    if let Some(name) = name.strip_suffix("/status") {
        let sha = named(&repository, name).await?;
        return statuses::combined(&repository, state.base(), &sha, &query).await;
    }
    let sha = named(&repository, &name).await?;
    let commit = load(&repository, &sha).await?;
    let commit = commit.ok_or_else(ApiError::not_found)?;
    let mut json = commit.json(&repository, state.base());
    let changes = match commit.parents.first() {
        Some(parent) => compare::changes(&repository, parent, &sha).await?,
        None => Vec::new(),
    };
    let additions: u64 = changes.iter().map(|change| change.additions).sum();
    let deletions: u64 = changes.iter().map(|change| change.deletions).sum();
    json["stats"] = json!({
        "additions": additions,
        "deletions": deletions,
        "total": additions + deletions,
    });
    let files = changes
        .iter()
        .map(|it| it.json(&repository, state.base(), &sha));
    json["files"] = files.collect();
    ok(&json)
}

async fn named(repository: &Repository, name: &str) -> Result<String, ApiError> {
    let found = repository.git.commit(name).await?;
    found.ok_or_else(|| ApiError::unprocessable(format!("No commit found for SHA: {name}")))
}

/// `POST /repos/{owner}/{repo}/git/commits`
pub(super) async fn create(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    actor: Actor,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    let (message, tree) = (input.need_text("message")?, input.need_text("tree")?);
    repository.need_commits().await?;
    if message.contains('\0') {
        return Err(ApiError::unprocessable("a NUL byte in commit message"));
    }
    let git = &repository.git;
    let Some(tree) = git.object(tree, "tree").await? else {
        return Err(ApiError::unprocessable("Tree SHA does not exist"));
    };
    let mut parents = Vec::new();
    for parent in input.list("parents")?.unwrap_or_default() {
        let known = match parent.as_str() {
            Some(id) => git.object(id, "commit").await?,
            None => None,
        };
        parents.push(known.ok_or_else(|| {
            ApiError::unprocessable("Parent SHA does not exist or is not a commit object")
        })?);
    }
    let author = person(&input, "author")?;
    let committer = person(&input, "committer")?;
    let (author, committer) = match (author, committer) {
        (None, None) => (actor.person(), actor.committer()),
        (Some(author), committer) => {
            let committer = committer.unwrap_or_else(|| author.clone());
            (author, committer)
        }
        (None, Some(committer)) => (actor.person(), committer),
    };
    let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
    let sha = git
        .write_commit(&tree, &parents, message, &author, &committer)
        .await?;
    let commit = load(&repository, &sha).await?;
    let commit = commit.ok_or_else(ApiError::not_found)?;
    let body = commit.git_json(&repository, state.base());
    Ok(answer(StatusCode::CREATED, &body))
}

/// Reads the commit with that id.
pub(super) async fn load(repository: &Repository, sha: &str) -> Result<Option<Commit>, ApiError> {
    let git = &repository.git;
    let Some(sha) = git.object(sha, "commit").await? else {
        return Ok(None);
    };
    let format = format!("--format={FORMAT}");
    let args = [
        "log",
        "-1",
        "--encoding=UTF-8",
        "--no-show-signature",
        &format,
        &sha,
    ];
    let text = git.text_about(NEVER, args).await?.unwrap_or_default();
    Ok(parse(&text))
}

fn parse(text: &str) -> Option<Commit> {
    let mut fields = text.splitn(10, '\0').map(str::to_owned);
    let mut next = || fields.next();
    Some(Commit {
        sha: next()?,
        tree: next()?,
        parents: next()?.split_whitespace().map(str::to_owned).collect(),
        author: Person {
            name: next()?,
            email: next()?,
            date: next(),
        },
        committer: Person {
            name: next()?,
            email: next()?,
            date: next(),
        },
        message: next()?.trim_end_matches('\n').to_owned(),
    })
}

fn person(input: &Input, role: &str) -> Result<Option<Person>, ApiError> {
    let Some(value) = input.get(role) else {
        return Ok(None);
    };
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let bad = || ApiError::unprocessable(format!("Invalid request.\n\nInvalid {role}."));
    let clean = |text: &String| !text.is_empty() && !text.contains(['\0', '\n', '<', '>']);
    let date = text("date");
    if date
        .as_ref()
        .is_some_and(|date| date.parse::<jiff::Timestamp>().is_err())
    {
        return Err(bad());
    }
    Ok(Some(Person {
        name: text("name").filter(clean).ok_or_else(bad)?,
        email: text("email").filter(clean).ok_or_else(bad)?,
        date,
    }))
}

impl Commit {
    fn verification(&self) -> Value {
        let signed = is_signer(&self.committer);
        json!({
            "verified": signed,
            "reason": if signed { "valid" } else { "unsigned" },
            "signature": null,
            "payload": null,
            "verified_at": null,
        })
    }

    fn parents_json(&self, repository: &Repository, base: &str, below: &str) -> Value {
        let parent = |sha: &String| {
            json!({
                "sha": sha,
                "url": repository.url(base, &format!("{below}/{sha}")),
                "html_url": repository.html_url(base, &format!("/commit/{sha}")),
            })
        };
        self.parents.iter().map(parent).collect()
    }

    /// A commit of the Git Data API.
    pub(super) fn git_json(&self, repository: &Repository, base: &str) -> Value {
        json!({
            "sha": self.sha,
            "node_id": node_id("C", &self.sha),
            "url": repository.url(base, &format!("/git/commits/{}", self.sha)),
            "html_url": repository.html_url(base, &format!("/commit/{}", self.sha)),
            "author": person_json(&self.author),
            "committer": person_json(&self.committer),
            "tree": {
                "sha": self.tree,
                "url": repository.url(base, &format!("/git/trees/{}", self.tree)),
            },
            "message": self.message,
            "parents": self.parents_json(repository, base, "/git/commits"),
            "verification": self.verification(),
        })
    }

    /// A commit of the Repositories API.
    pub(super) fn json(&self, repository: &Repository, base: &str) -> Value {
        let url = repository.url(base, &format!("/commits/{}", self.sha));
        json!({
            "sha": self.sha,
            "node_id": node_id("C", &self.sha),
            "url": url,
            "html_url": repository.html_url(base, &format!("/commit/{}", self.sha)),
            "comments_url": format!("{url}/comments"),
            "commit": {
                "url": repository.url(base, &format!("/git/commits/{}", self.sha)),
                "author": person_json(&self.author),
                "committer": person_json(&self.committer),
                "message": self.message,
                "tree": {
                    "sha": self.tree,
                    "url": repository.url(base, &format!("/git/trees/{}", self.tree)),
                },
                "comment_count": 0,
                "verification": self.verification(),
            },
            "author": account(base, &self.author),
            "committer": account(base, &self.committer),
            "parents": self.parents_json(repository, base, "/commits"),
        })
    }
}

fn person_json(person: &Person) -> Value {
    json!({ "name": person.name, "email": person.email, "date": person.date })
}
