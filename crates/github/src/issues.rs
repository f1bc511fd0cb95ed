use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::call::{Method, Operation};
use crate::names::encode;
use crate::pulls::{PAGE, cut};
use crate::{GithubError, Repo};

/// Issues that are read at most, in pages.
const PAGES: u32 = 10;

const READ: &str = "issues: read";
const WRITE: &str = "issues: write";

/// An issue. Whoever may open issues can write what they like: only [`Issue::author`] is told by
/// GitHub itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its number, which no pull request has.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// The login of whoever opened it; an App's ends with `[bot]`, and a deleted account's is empty.
    pub author: String,
    /// Its title.
    pub title: String,
    /// Its text, empty when there is none.
    pub body: String,
}

/// An issue to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIssue {
    /// Its title.
    pub title: String,
    /// Its text (Markdown); cut at GitHub's limit.
    pub body: String,
    /// Its label, by which it is found again. GitHub makes one that it does not know.
    pub label: String,
}

#[derive(Deserialize)]
struct Listed {
    number: u64,
    html_url: String,
    title: String,
    body: Option<String>,
    user: Option<User>,
    /// Only pull requests have it, which are issues to GitHub.
    pull_request: Option<Value>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl From<Listed> for Issue {
    fn from(listed: Listed) -> Self {
        Self {
            number: listed.number,
            url: listed.html_url,
            author: listed.user.map(|user| user.login).unwrap_or_default(),
            title: listed.title,
            body: listed.body.unwrap_or_default(),
        }
    }
}

impl Repo {
    /// The open issues with this label, the oldest first, at most 1,000.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn open_issues(&self, label: &str) -> Result<Vec<Issue>, GithubError> {
        let operation = self.operation("list issues", self.repository(), READ);
        let label = encode(label).replace('/', "%2F");
        let mut found = Vec::new();
        for page in 1..=PAGES {
            let path = self.path(&format!(
                "/issues?state=open&labels={label}&sort=created&direction=asc&per_page={PAGE}&page={page}"
            ));
            let listed: Vec<Listed> = self.caller.json(&operation, Method::Get, &path).await?;
            let last = listed.len() < PAGE;
            let issues = listed.into_iter().filter(|one| one.pull_request.is_none());
            found.extend(issues.map(Issue::from));
            if last {
                break;
            }
        }
        Ok(found)
    }

    /// Opens an issue, unless `is_it` says of an open one with its label that it is that. Says
    /// whether it was opened now.
    ///
    /// An attempt whose answer was lost is not repeated blindly: the issues are read again first.
    ///
    /// # Errors
    /// [`GithubError::NotFound`] also where issues are switched off.
    pub async fn open_issue_once(
        &self,
        issue: &NewIssue,
        is_it: impl Fn(&Issue) -> bool,
    ) -> Result<(Issue, bool), GithubError> {
        let operation = self.operation("open an issue", self.repository(), WRITE);
        let body = json!({
            "title": issue.title, "body": cut(&issue.body), "labels": [issue.label],
        });
        let once = self.caller.once_only();
        let mut attempt = 1;
        loop {
            let mut there = self.open_issues(&issue.label).await?.into_iter();
            if let Some(it) = there.find(&is_it) {
                // It is ours, if an answer was lost.
                return Ok((it, attempt > 1));
            }
            let method = Method::Post(body.clone());
            match once
                .json::<Listed>(&operation, method, &self.path("/issues"))
                .await
            {
                Ok(listed) => return Ok((listed.into(), true)),
                Err(GithubError::Network { .. } | GithubError::Server { .. })
                    if attempt < self.caller.retry.attempts =>
                {
                    let wait = self.caller.backoff(attempt);
                    self.caller.pause(&operation, wait).await?;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Replaces title and text of an issue.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn rewrite_issue(
        &self,
        number: u64,
        title: &str,
        body: &str,
    ) -> Result<(), GithubError> {
        let change = [("title", Value::from(title)), ("body", cut(body).into())];
        self.patch_issue("rewrite", number, change).await
    }

    /// Closes an issue as done. A second time it changes nothing.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn close_issue(&self, number: u64) -> Result<(), GithubError> {
        let change = [
            ("state", Value::from("closed")),
            ("state_reason", "completed".into()),
        ];
        self.patch_issue("close", number, change).await
    }

    async fn patch_issue(
        &self,
        verb: &str,
        number: u64,
        change: [(&str, Value); 2],
    ) -> Result<(), GithubError> {
        let operation = self.issue_operation(verb, number);
        let change: Map<String, Value> = change
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let path = self.path(&format!("/issues/{number}"));
        let method = Method::Patch(change.into());
        let _: Listed = self.caller.json(&operation, method, &path).await?;
        Ok(())
    }

    /// The same as [`Repo::comment_once`], for an issue.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn comment_on_issue_once(
        &self,
        number: u64,
        marker: &str,
        body: &str,
    ) -> Result<bool, GithubError> {
        let operation = self.issue_operation("comment on", number);
        self.comment_with(&operation, number, marker, None, body)
            .await
    }

    fn issue_operation(&self, verb: &str, number: u64) -> Operation {
        self.operation(
            format_args!("{verb} issue {number}"),
            format!("issue {number}"),
            WRITE,
        )
    }
}
