use serde_json::json;

use crate::call::Method;
use crate::pulls::WRITE;
use crate::{GithubError, Repo};

impl Repo {
    /// Adds labels to a pull request, beside those it has. GitHub makes the ones it does not know.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn add_labels(&self, number: u64, labels: &[String]) -> Result<(), GithubError> {
        let operation = self.pull_operation("label", number, WRITE);
        let path = self.path(&format!("/issues/{number}/labels"));
        let body = json!({ "labels": labels });
        let _: serde_json::Value = self
            .caller
            .json(&operation, Method::Post(body), &path)
            .await?;
        Ok(())
    }

    /// Asks people (logins) and teams (slugs, without the organization) to review a pull request.
    /// Who was asked already stays asked.
    ///
    /// # Errors
    /// [`GithubError::Rejected`] when one of them may not review here, or opened the request.
    pub async fn request_reviewers(
        &self,
        number: u64,
        people: &[String],
        teams: &[String],
    ) -> Result<(), GithubError> {
        let operation = self.pull_operation("request reviews of", number, WRITE);
        let path = self.path(&format!("/pulls/{number}/requested_reviewers"));
        let body = json!({ "reviewers": people, "team_reviewers": teams });
        let _: serde_json::Value = self
            .caller
            .json(&operation, Method::Post(body), &path)
            .await?;
        Ok(())
    }
}
