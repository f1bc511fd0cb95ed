use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::call::{Method, Operation};
use crate::refusal::Refusal;
use crate::{GithubError, Repo};

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: String,
}

impl Repo {
    /// Carries out a GraphQL query or mutation. The refusal is one as REST would have it.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        operation: &Operation,
        query: &str,
        variables: Value,
    ) -> Result<Result<T, Refusal>, GithubError> {
        let body = json!({ "query": query, "variables": variables });
        let answer = self
            .graphql
            .send(operation, Method::Post(body), "/graphql")
            .await?;
        let body = match answer.outcome {
            Ok(body) => body,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let reply: Reply = crate::call::parse(operation, &body)?;
        let Some(first) = reply.errors.first() else {
            let data = serde_json::from_value(reply.data);
            return Ok(Ok(data.map_err(|error| GithubError::Answer {
                operation: operation.text.clone(),
                reason: error.to_string(),
            })?));
        };
        // GraphQL says no with 200.
        let status = match first.kind.as_deref() {
            Some("FORBIDDEN") => 403,
            Some("NOT_FOUND") => 404,
            _ => 422,
        };
        let words = json!({ "message": first.message }).to_string();
        Ok(Err(self.graphql.refusal(status, &words)))
    }
}
