use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Answer, Method, Operation};
use crate::names::{check_branch, encode};
use crate::{CommitSha, GithubError, Repo};

/// What GitHub takes as the text of a pull request, in characters.
const LONGEST_BODY: usize = 65_536;
const CUT: &str = "\n\n… (cut here: GitHub takes at most 65,536 characters)";
/// Pull requests a page.
pub(crate) const PAGE: usize = 100;

pub(crate) const READ: &str = "pull-requests: read";
pub(crate) const WRITE: &str = "pull-requests: write";
/// Merging writes the base branch.
const MERGE: &str = "contents: write";

/// A pull request between two branches of the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// The branch with the change.
    pub head: String,
    /// The branch to change.
    pub base: String,
    /// The commit at the head.
    pub head_sha: CommitSha,
}

/// A pull request to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPullRequest {
    /// Its title.
    pub title: String,
    /// Its text (Markdown); cut at GitHub's limit.
    pub body: String,
    /// The branch with the change.
    pub head: String,
    /// The branch to change.
    pub base: String,
    /// Whether it is not ready for review.
    pub draft: bool,
}

/// How the commits of a pull request come to the base branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeMethod {
    /// With a merge commit.
    Merge,
    /// As one new commit.
    Squash,
    /// Each anew on top of the base.
    Rebase,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    html_url: String,
    head: End,
    base: End,
    #[serde(default)]
    merged: bool,
    merge_commit_sha: Option<CommitSha>,
}

#[derive(Deserialize)]
pub(crate) struct End {
    #[serde(rename = "ref")]
    pub(crate) branch: String,
    pub(crate) sha: CommitSha,
    repo: Option<EndRepo>,
}

#[derive(Deserialize)]
struct EndRepo {
    full_name: String,
}

#[derive(Deserialize)]
struct Merged {
    sha: CommitSha,
}

impl From<Pull> for PullRequest {
    fn from(pull: Pull) -> Self {
        Self {
            number: pull.number,
            url: pull.html_url,
            head: pull.head.branch,
            base: pull.base.branch,
            head_sha: pull.head.sha,
        }
    }
}

impl Repo {
    /// The open pull requests from a branch of this repository (forks are left out), newest first.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn find_open_pull_requests(
        &self,
        head: Option<&str>,
        base: Option<&str>,
    ) -> Result<Vec<PullRequest>, GithubError> {
        let mut query = format!("state=open&per_page={PAGE}");
        let mut add = |key: &str, prefix: &str, branch: &str| {
            let value = encode(branch).replace('/', "%2F");
            query.push_str(&format!("&{key}={prefix}{value}"));
        };
        if let Some(head) = head {
            check_branch(head)?;
            add("head", &format!("{}%3A", self.name.owner()), head);
        }
        if let Some(base) = base {
            check_branch(base)?;
            add("base", "", base);
        }
        let operation = self.operation("list pull requests", self.repository(), READ);
        let mut found = Vec::new();
        for page in 1.. {
            let path = self.path(&format!("/pulls?{query}&page={page}"));
            let pulls: Vec<Pull> = self.caller.json(&operation, Method::Get, &path).await?;
            let last = pulls.len() < PAGE;
            found.extend(
                pulls
                    .into_iter()
                    .filter(|pull| self.is_ours(&pull.head))
                    .map(PullRequest::from),
            );
            if last {
                break;
            }
        }
        // GitHub ignores a filter that it does not understand.
        found.retain(|pull: &PullRequest| {
            head.is_none_or(|head| head == pull.head) && base.is_none_or(|base| base == pull.base)
        });
        Ok(found)
    }

    /// Opens a pull request.
    ///
    /// # Errors
    /// [`GithubError::AlreadyExists`] when one is open for the same two branches,
    /// [`GithubError::Unchanged`] when there are no commits between them.
    pub async fn create_pull_request(
        &self,
        request: &NewPullRequest,
    ) -> Result<PullRequest, GithubError> {
        let NewPullRequest {
            title,
            body,
            head,
            base,
            draft,
        } = request;
        check_branch(head)?;
        check_branch(base)?;
        let operation = self.operation(
            format_args!("open a pull request from `{head}` to `{base}`"),
            self.repository(),
            WRITE,
        );
        let payload = json!({
            "title": title,
            "body": cut(body),
            "head": head,
            "base": base,
            "draft": draft,
        });
        let path = self.path("/pulls");
        let mut attempt = 1;
        let (refusal, maybe_done_before) = loop {
            let method = Method::Post(payload.clone());
            let Answer {
                outcome,
                maybe_done_before,
            } = self.send_when_settled(&operation, method, &path).await?;
            let refusal = match outcome {
                Ok(body) => return Ok(crate::call::parse::<Pull>(&operation, &body)?.into()),
                Err(refusal) => refusal,
            };
            // A branch that was made a moment ago is not known everywhere yet.
            let too_early = refusal.status == 422
                && refusal.says("head invalid")
                && attempt < self.caller.retry.attempts
                && self.branch_head(head).await?.is_some();
            if !too_early {
                break (refusal, maybe_done_before);
            }
            let wait = self.caller.backoff(attempt);
            self.caller.pause(&operation, wait).await?;
            attempt += 1;
        };
        if refusal.status == 422 && refusal.says("a pull request already exists") {
            if maybe_done_before {
                let mut open = self.find_open_pull_requests(Some(head), Some(base)).await?;
                if let Some(ours) = open.pop() {
                    return Ok(ours);
                }
            }
            return Err(GithubError::AlreadyExists {
                operation: operation.text,
            });
        }
        if refusal.status == 422 && refusal.says("no commits between") {
            return Err(GithubError::Unchanged {
                operation: operation.text,
            });
        }
        Err(refusal.into_error(&operation))
    }

    /// Merges a pull request whose head is still `expected_head`, and returns the commit that the
    /// base branch then points at.
    ///
    /// # Errors
    /// [`GithubError::Moved`] when the head is another by now, [`GithubError::NotMergeable`] for
    /// conflicts and unmet rules.
    pub async fn merge_pull_request(
        &self,
        number: u64,
        method: MergeMethod,
        expected_head: &CommitSha,
    ) -> Result<CommitSha, GithubError> {
        let operation = self.pull_operation("merge", number, MERGE);
        let path = self.path(&format!("/pulls/{number}/merge"));
        let mut attempt = 1;
        loop {
            let body = json!({ "sha": expected_head, "merge_method": method });
            let answer = self
                .caller
                .send(&operation, Method::Put(body), &path)
                .await?;
            let refusal = match answer.outcome {
                Ok(body) => return Ok(crate::call::parse::<Merged>(&operation, &body)?.sha),
                Err(refusal) => refusal,
            };
            if answer.maybe_done_before
                && let Some(sha) = self.merged_as(number, expected_head).await?
            {
                return Ok(sha);
            }
            match refusal.status {
                // Somebody merged into the base in the same moment: GitHub asks to try again.
                405 if refusal.says("base branch was modified")
                    && attempt < self.caller.retry.attempts =>
                {
                    self.caller
                        .pause(&operation, self.caller.backoff(attempt))
                        .await?;
                    attempt += 1;
                }
                405 => {
                    return Err(GithubError::NotMergeable {
                        operation: operation.text,
                        message: refusal.message,
                    });
                }
                409 => {
                    return Err(GithubError::Moved {
                        operation: operation.text,
                        message: refusal.message,
                    });
                }
                _ => return Err(refusal.into_error(&operation)),
            }
        }
    }

    async fn merged_as(
        &self,
        number: u64,
        head: &CommitSha,
    ) -> Result<Option<CommitSha>, GithubError> {
        let operation = self.pull_operation("read", number, READ);
        let path = self.path(&format!("/pulls/{number}"));
        let pull: Pull = self.caller.json(&operation, Method::Get, &path).await?;
        let ours = pull.merged && pull.head.sha == *head;
        Ok(pull.merge_commit_sha.filter(|_| ours))
    }

    pub(crate) fn is_ours(&self, head: &End) -> bool {
        let ours = self.name.to_string();
        head.repo
            .as_ref()
            .is_some_and(|repo| repo.full_name.eq_ignore_ascii_case(&ours))
    }

    pub(crate) fn repository(&self) -> String {
        format!("repository {}", self.name)
    }

    pub(crate) fn pull_operation(
        &self,
        verb: &str,
        number: u64,
        permission: &'static str,
    ) -> Operation {
        self.operation(
            format_args!("{verb} pull request {number}"),
            format!("pull request {number}"),
            permission,
        )
    }
}

pub(crate) fn cut(body: &str) -> String {
    if body.chars().count() <= LONGEST_BODY {
        return body.to_owned();
    }
    let room = LONGEST_BODY - CUT.chars().count();
    let mut start: String = body.chars().take(room).collect();
    start.push_str(CUT);
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_over_the_limit_is_cut_and_says_so() {
        assert_eq!(cut("short"), "short");
        let exact = "ü".repeat(LONGEST_BODY);
        assert_eq!(cut(&exact), exact);
        let long = cut(&format!("{exact}x"));
        assert_eq!(long.chars().count(), LONGEST_BODY);
        assert!(long.ends_with("65,536 characters)"));
    }
}
