use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::call::{Method, Operation};
use crate::pulls::{PAGE, READ, WRITE, cut};
use crate::{GithubError, Repo};

/// Comments of one pull request that are read at most.
const PAGES: u32 = 10;

/// What somebody said under a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The login of whoever said it; empty for a deleted account.
    pub author: String,
    /// Whether it is by an App, or by somebody who belongs to the repository: an owner, a member or
    /// a collaborator. Under a public repository's pull requests everybody can comment.
    pub from_inside: bool,
    /// When it was said.
    pub created: Timestamp,
    /// The text.
    pub body: String,
}

#[derive(Deserialize)]
struct Listed {
    body: Option<String>,
    user: Option<User>,
    #[serde(default)]
    author_association: String,
    #[serde(default)]
    created_at: Timestamp,
}

impl From<Listed> for Comment {
    fn from(listed: Listed) -> Self {
        let author = listed.user.map(|user| user.login).unwrap_or_default();
        let belongs = ["OWNER", "MEMBER", "COLLABORATOR"];
        Self {
            from_inside: author.ends_with("[bot]")
                || belongs.contains(&listed.author_association.as_str()),
            author,
            created: listed.created_at,
            body: listed.body.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl Repo {
    /// The comments under a pull request, oldest first, at most 1,000. Those on lines of code are
    /// not among them.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn comments(&self, number: u64) -> Result<Vec<Comment>, GithubError> {
        let operation = self.pull_operation("read the comments of", number, READ);
        self.comments_with(&operation, number).await
    }

    async fn comments_with(
        &self,
        operation: &Operation,
        number: u64,
    ) -> Result<Vec<Comment>, GithubError> {
        let mut comments = Vec::new();
        for page in 1..=PAGES {
            let path = self.path(&format!(
                "/issues/{number}/comments?per_page={PAGE}&page={page}"
            ));
            let listed: Vec<Listed> = self.caller.json(operation, Method::Get, &path).await?;
            let last = listed.len() < PAGE;
            comments.extend(listed.into_iter().map(Comment::from));
            if last {
                break;
            }
        }
        Ok(comments)
    }

    /// Comments on a pull request, unless a comment from inside ([`Comment::from_inside`]) that
    /// contains `marker` was made there, after `since` if that is given. Says whether it commented
    /// now. `body` should contain the marker, as an HTML comment.
    ///
    /// An attempt whose answer was lost is not repeated blindly: the comments are read again first.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn comment_once(
        &self,
        number: u64,
        marker: &str,
        since: Option<Timestamp>,
        body: &str,
    ) -> Result<bool, GithubError> {
        let operation = self.pull_operation("comment on", number, WRITE);
        self.comment_with(&operation, number, marker, since, body)
            .await
    }

    pub(crate) async fn comment_with(
        &self,
        operation: &Operation,
        number: u64,
        marker: &str,
        since: Option<Timestamp>,
        body: &str,
    ) -> Result<bool, GithubError> {
        let path = self.path(&format!("/issues/{number}/comments"));
        let once = self.caller.once_only();
        let mut attempt = 1;
        loop {
            let there = self.comments_with(operation, number).await?;
            let counts = |comment: &Comment| {
                comment.from_inside
                    && comment.body.contains(marker)
                    && since.is_none_or(|since| comment.created >= since)
            };
            if there.iter().any(counts) {
                // It is ours, if an answer was lost.
                return Ok(attempt > 1);
            }
            let method = Method::Post(json!({ "body": cut(body) }));
            match once.json::<Listed>(operation, method, &path).await {
                Ok(_) => return Ok(true),
                Err(GithubError::Network { .. } | GithubError::Server { .. })
                    if attempt < self.caller.retry.attempts =>
                {
                    let wait = self.caller.backoff(attempt);
                    self.caller.pause(operation, wait).await?;
                    attempt += 1;
                }
                Err(GithubError::RateLimited { wait, .. })
                    if attempt < self.caller.retry.attempts
                        && wait.is_none_or(|wait| wait <= self.caller.retry.longest_wait) =>
                {
                    let wait = wait.unwrap_or(self.caller.retry.longest_wait);
                    self.caller.pause(operation, wait).await?;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
