use serde::Deserialize;
use serde_json::json;

use crate::refs::READ;
use crate::{GithubError, Repo};

#[derive(Deserialize)]
struct Answer {
    viewer: Viewer,
}

#[derive(Deserialize)]
struct Viewer {
    login: String,
}

impl Repo {
    /// The login of whoever the token belongs to: an App's ends with `[bot]`, and that of a job's
    /// own token is `github-actions[bot]`. REST tells it to people only: this asks the GraphQL API.
    ///
    /// # Errors
    /// Without a token GitHub refuses.
    pub async fn viewer(&self) -> Result<String, GithubError> {
        let operation = self.operation("ask whose the token is", self.repository(), READ);
        let query = "query { viewer { login } }";
        match self.ask::<Answer>(&operation, query, json!({})).await? {
            Ok(answer) => Ok(answer.viewer.login),
            Err(refusal) => Err(refusal.into_error(&operation)),
        }
    }
}
