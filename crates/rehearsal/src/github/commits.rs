use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, Input, answer, ok};
use super::git::Person;
use super::repository::{BOT, Repository, node_id, user};
use super::server::Shared;

/// What `git log` prints of a commit, NUL between the fields.
const FORMAT: &str = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B";

/// Who commits what GitHub makes and signs itself.
const SIGNER: (&str, &str) = ("GitHub", "noreply@github.com");

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

/// `POST /repos/{owner}/{repo}/git/commits`
pub(super) async fn create(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
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
        (None, None) => (bot(), signer()),
        (Some(author), committer) => {
            let committer = committer.unwrap_or_else(|| author.clone());
            (author, committer)
        }
        (None, Some(committer)) => (bot(), committer),
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

/// Whoever makes commits without saying who they are.
pub(super) fn bot() -> Person {
    Person {
        name: BOT.to_owned(),
        email: format!("{BOT}@users.noreply.github.com"),
        date: None,
    }
}

/// GitHub as the committer of what it signs.
pub(super) fn signer() -> Person {
    Person {
        name: SIGNER.0.to_owned(),
        email: SIGNER.1.to_owned(),
        date: None,
    }
}

/// Reads the commit with that id.
pub(super) async fn load(repository: &Repository, sha: &str) -> Result<Option<Commit>, ApiError> {
    let git = &repository.git;
    let Some(sha) = git.object(sha, "commit").await? else {
        return Ok(None);
    };
    let args = ["log", "-1", "--encoding=UTF-8", "--no-show-signature"];
    let command = git
        .command(args)
        .arg(format!("--format={FORMAT}"))
        .arg(&sha);
    let text = git.start(command).await?.stdout_text();
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
    fn is_signed(&self) -> bool {
        (self.committer.name.as_str(), self.committer.email.as_str()) == SIGNER
    }

    fn verification(&self) -> Value {
        let reason = if self.is_signed() {
            "valid"
        } else {
            "unsigned"
        };
        json!({
            "verified": self.is_signed(),
            "reason": reason,
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
        let login = |person: &Person| {
            if person.name == BOT {
                user(base, BOT, "Bot")
            } else {
                Value::Null
            }
        };
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
            "author": login(&self.author),
            "committer": login(&self.committer),
            "parents": self.parents_json(repository, base, "/commits"),
        })
    }
}

fn person_json(person: &Person) -> Value {
    json!({ "name": person.name, "email": person.email, "date": person.date })
}
