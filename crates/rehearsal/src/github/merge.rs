use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::json;

use super::answer::{ApiError, ApiResult, Input, ok};
use super::commits::{self, bot, signer};
use super::pulls::{Pull, parse_number};
use super::repository::Repository;
use super::server::Shared;

/// `PUT /repos/{owner}/{repo}/pulls/{number}/merge`
pub(super) async fn merge(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = if body.is_empty() {
        Input::read(&Bytes::from_static(b"{}"))?
    } else {
        Input::read(&body)?
    };
    let method = input.text("merge_method")?.unwrap_or("merge");

    let mut pulls = repository.pulls.lock().await;
    let pull = pulls.get_mut(parse_number(&number)?)?;
    pull.refresh(&repository).await?;
    if !pull.is_open() {
        return Err(not_mergeable("Pull Request is not mergeable"));
    }
    if pull.draft {
        return Err(not_mergeable("Pull Request is still a draft"));
    }
    if input.text("sha")?.is_some_and(|sha| sha != pull.head_sha) {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "Head branch was modified. Review and try the merge again.",
        ));
    }
    let message = Message {
        title: input.text("commit_title")?,
        body: input.text("commit_message")?,
    };
    let merged = match method {
        "merge" => with_merge_commit(&repository, pull, &message).await?,
        "squash" => squashed(&repository, pull, &message).await?,
        "rebase" => rebased(&repository, pull).await?,
        _ => {
            return Err(ApiError::unprocessable(
                "Invalid request.\n\nmerge_method must be merge, squash or rebase.",
            ));
        }
    };
    let sha = merged.ok_or_else(|| not_mergeable("Pull Request is not mergeable"))?;

    let full = format!("refs/heads/{}", pull.base);
    let moved = repository
        .git
        .set_ref(&full, &sha, Some(&pull.base_sha))
        .await?;
    if !moved {
        // Somebody pushed with git in the same moment.
        return Err(not_mergeable(
            "Base branch was modified. Review and try the merge again.",
        ));
    }
    pull.merged_as = Some(sha.clone());
    pull.close();
    ok(&json!({
        "sha": sha,
        "merged": true,
        "message": "Pull Request successfully merged",
    }))
}

/// What the request says about the commit's message.
struct Message<'a> {
    title: Option<&'a str>,
    body: Option<&'a str>,
}

impl Message<'_> {
    fn or(&self, title: String, body: &str) -> String {
        let title = self.title.map_or(title, str::to_owned);
        match self.body.unwrap_or(body) {
            "" => title,
            body => format!("{title}\n\n{body}"),
        }
    }
}

async fn with_merge_commit(
    repository: &Repository,
    pull: &Pull,
    message: &Message<'_>,
) -> Result<Option<String>, ApiError> {
    let Pull { number, head, .. } = pull;
    let owner = repository.name.owner();
    let title = format!("Merge pull request #{number} from {owner}/{head}");
    let message = message.or(title, &pull.title);
    let parents = [pull.base_sha.as_str(), pull.head_sha.as_str()];
    one_commit(repository, pull, &parents, &message).await
}

async fn squashed(
    repository: &Repository,
    pull: &Pull,
    message: &Message<'_>,
) -> Result<Option<String>, ApiError> {
    let message = message.or(format!("{} (#{})", pull.title, pull.number), "");
    one_commit(repository, pull, &[&pull.base_sha], &message).await
}

async fn one_commit(
    repository: &Repository,
    pull: &Pull,
    parents: &[&str],
    message: &str,
) -> Result<Option<String>, ApiError> {
    let git = &repository.git;
    let Some(tree) = git.merge_tree(&pull.base_sha, &pull.head_sha).await? else {
        return Ok(None);
    };
    let sha = git
        .write_commit(&tree, parents, message, &bot(), &signer())
        .await?;
    Ok(Some(sha))
}

async fn rebased(repository: &Repository, pull: &Pull) -> Result<Option<String>, ApiError> {
    let git = &repository.git;
    let range = format!("{}..{}", pull.base_sha, pull.head_sha);
    let shas = git
        .text([
            "rev-list",
            "--reverse",
            "--topo-order",
            "--no-merges",
            &range,
        ])
        .await?;
    let mut tip = pull.base_sha.clone();
    for sha in shas.lines() {
        let commit = commits::load(repository, sha).await?;
        let commit = commit.ok_or_else(ApiError::not_found)?;
        let Some(tip_tree) = git.object(&tip, "tree").await? else {
            return Err(ApiError::not_found());
        };
        // A commit of the tip's tree on this commit's parent: merging the two has that parent as
        // its base, which is what moving the commit means.
        let parents: Vec<&str> = commit.parents.iter().map(String::as_str).collect();
        let aside = git
            .write_commit(&tip_tree, &parents, "aside", &bot(), &bot())
            .await?;
        let Some(tree) = git.merge_tree(&aside, sha).await? else {
            return Ok(None);
        };
        tip = git
            .write_commit(&tree, &[&tip], &commit.message, &commit.author, &signer())
            .await?;
    }
    Ok(Some(tip))
}

fn not_mergeable(message: &str) -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message)
}
