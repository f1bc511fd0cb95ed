use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::json;

use super::answer::{ApiError, ApiResult, Input, ok};
use super::commits;
use super::identity::{Actor, signer};
use super::pulls::{Pull, parse_number};
use super::repository::{Repository, State as Kept};
use super::server::Shared;

/// `PUT /repos/{owner}/{repo}/pulls/{number}/merge`
pub(super) async fn merge(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    actor: Actor,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = if body.is_empty() {
        Input::read(&Bytes::from_static(b"{}"))?
    } else {
        Input::read(&body)?
    };
    let method = input.text("merge_method")?.unwrap_or("merge");
    let message = Message {
        title: input.text("commit_title")?,
        body: input.text("commit_message")?,
    };

    let mut kept = repository.state.lock().await;
    let pull = kept.pulls.get_mut(parse_number(&number)?)?;
    pull.refresh(&repository).await?;
    let pull = pull.clone();
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
    if let Some(context) = kept.missing(&pull) {
        return Err(not_mergeable(&format!(
            "Required status check \"{context}\" is expected."
        )));
    }
    let how = How {
        actor,
        method,
        message,
    };
    let sha = merge_now(&repository, &mut kept, pull, &how).await?;
    ok(&json!({
        "sha": sha,
        "merged": true,
        "message": "Pull Request successfully merged",
    }))
}

/// Merges the requests that wait for a status of that commit, where nothing is missing any more.
pub(super) async fn merge_waiting(
    repository: &Repository,
    kept: &mut Kept,
    sha: &str,
) -> Result<(), ApiError> {
    let mut waiting = Vec::new();
    for pull in kept
        .pulls
        .iter_mut()
        .filter(|pull| pull.auto_merge.is_some())
    {
        pull.refresh(repository).await?;
        if pull.head_sha == sha && !pull.draft {
            waiting.push(pull.clone());
        }
    }
    for pull in waiting {
        let Some(auto) = pull.auto_merge.filter(|_| kept.missing(&pull).is_none()) else {
            continue;
        };
        let how = How {
            actor: auto.by,
            method: auto.method,
            message: Message {
                title: None,
                body: None,
            },
        };
        // One that conflicts goes on waiting.
        if let Err(error) = merge_now(repository, kept, pull, &how).await {
            tracing::debug!(?error, "not merged on its own");
        }
    }
    Ok(())
}

/// Who merges, and how.
struct How<'a> {
    actor: Actor,
    method: &'a str,
    message: Message<'a>,
}

/// Merges an open request into its base branch, and returns the commit there.
async fn merge_now(
    repository: &Repository,
    kept: &mut Kept,
    mut pull: Pull,
    how: &How<'_>,
) -> Result<String, ApiError> {
    let merged = match how.method {
        "merge" => with_merge_commit(repository, &pull, how).await?,
        "squash" => squashed(repository, &pull, how).await?,
        "rebase" => rebased(repository, &pull).await?,
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
    pull.merged = Some((sha.clone(), how.actor));
    pull.close();
    let number = pull.number;
    *kept.pulls.get_mut(number)? = pull;
    Ok(sha)
}

/// Whether an open request can be merged without a conflict.
pub(super) async fn is_clean(repository: &Repository, pull: &Pull) -> Result<bool, ApiError> {
    let git = &repository.git;
    // The base has nothing that the head has not.
    if git.left_right(&pull.base_sha, &pull.head_sha).await?.0 == 0 {
        return Ok(true);
    }
    let tree = git.merge_tree(&pull.base_sha, &pull.head_sha).await?;
    Ok(tree.is_some())
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
    how: &How<'_>,
) -> Result<Option<String>, ApiError> {
    let Pull { number, head, .. } = pull;
    let owner = repository.name.owner();
    let title = format!("Merge pull request #{number} from {owner}/{head}");
    let message = how.message.or(title, &pull.title);
    let parents = [pull.base_sha.as_str(), pull.head_sha.as_str()];
    one_commit(repository, &parents, pull, (&message, how.actor)).await
}

async fn squashed(
    repository: &Repository,
    pull: &Pull,
    how: &How<'_>,
) -> Result<Option<String>, ApiError> {
    let message = how
        .message
        .or(format!("{} (#{})", pull.title, pull.number), "");
    one_commit(repository, &[&pull.base_sha], pull, (&message, how.actor)).await
}

async fn one_commit(
    repository: &Repository,
    parents: &[&str],
    pull: &Pull,
    (message, by): (&str, Actor),
) -> Result<Option<String>, ApiError> {
    let git = &repository.git;
    let Some(tree) = git.merge_tree(&pull.base_sha, &pull.head_sha).await? else {
        return Ok(None);
    };
    let sha = git
        .write_commit(&tree, parents, message, &by.person(), &signer())
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
        let tip_tree = git.tree_of(&tip).await?;
        // A commit of the tip's tree on this commit's parent: merging the two has that parent as
        // its base, which is what moving the commit means.
        let parents: Vec<&str> = commit.parents.iter().map(String::as_str).collect();
        let aside = git
            .write_commit(&tip_tree, &parents, "aside", &signer(), &signer())
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
