//! What GitHub's REST API cannot do: telling whose a token is, whatever its kind, enabling auto-merge,
//! and moving references by compare and swap.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult, Input, ok};
use super::identity::Actor;
use super::merge;
use super::pulls::AutoMerge;
use super::server::{Inner, Shared};
use super::swap;

/// Longer queries than anybody needs for this.
const LONGEST_QUERY: usize = 16 * 1024;

/// The names of the ways to merge: GraphQL's and REST's.
const METHODS: &[(&str, &str)] = &[
    ("MERGE", "merge"),
    ("SQUASH", "squash"),
    ("REBASE", "rebase"),
];

/// `POST /graphql`
pub(super) async fn answer(State(state): State<Shared>, actor: Actor, body: Bytes) -> ApiResult {
    let input = Input::read(&body)?;
    let query = input.need_text("query")?;
    if query.len() > LONGEST_QUERY {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "query is too long"));
    }
    let null = Value::Null;
    let request = Request {
        query,
        variables: input.get("variables").unwrap_or(&null),
    };
    let result = if query.contains("enablePullRequestAutoMerge") {
        enable_auto_merge(&state, actor, &request).await
    } else if query.contains("updateRefs") {
        swap::update_refs(&state, &request).await
    } else if query.contains("viewer") {
        Ok(json!({ "viewer": { "login": actor.login() } }))
    } else if query.contains("repository") {
        swap::find(&state, &request)
    } else {
        Err(Refusal::new(
            "undefinedField",
            "this query is not served here",
        ))
    };
    match result {
        Ok(data) => ok(&json!({ "data": data })),
        // As on GitHub, a refusal is an answer with 200.
        Err(refusal) => ok(&json!({
            "data": null,
            "errors": [{ "type": refusal.kind, "message": refusal.message, "path": [] }],
        })),
    }
}

pub(super) struct Refusal {
    kind: &'static str,
    message: String,
}

impl Refusal {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(super) fn unknown(id: &str) -> Self {
        let message = format!("Could not resolve to a node with the global id of '{id}'");
        Self::new("NOT_FOUND", message)
    }

    pub(super) fn unprocessable(message: &str) -> Self {
        Self::new("UNPROCESSABLE", message)
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::new("INTERNAL", error.message())
    }
}

pub(super) struct Request<'a> {
    query: &'a str,
    pub(super) variables: &'a Value,
}

impl Request<'_> {
    /// The argument of that name: a variable, a literal, or a field of the variable `input`.
    fn argument(&self, name: &str) -> Option<String> {
        let plain = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        if let Some(value) = self.variables["input"].get(name) {
            return plain(value);
        }
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        self.query.match_indices(name).find_map(|(at, _)| {
            let before = self.query[..at].chars().next_back();
            let rest = self.query[at + name.len()..].trim_start();
            let value = rest.strip_prefix(':')?.trim_start();
            if before.is_some_and(word) {
                return None;
            }
            if let Some(text) = value.strip_prefix('"') {
                return text.split('"').next().map(str::to_owned);
            }
            let text = value.split(|c| !word(c)).next()?;
            match text.strip_prefix('$') {
                Some(variable) => plain(&self.variables[variable]),
                None => Some(text.to_owned()),
            }
        })
    }

    pub(super) fn need(&self, name: &str) -> Result<String, Refusal> {
        let missing = || Refusal::new("missingRequiredArguments", format!("{name} is missing"));
        self.argument(name).ok_or_else(missing)
    }
}

async fn enable_auto_merge(
    state: &Inner,
    actor: Actor,
    request: &Request<'_>,
) -> Result<Value, Refusal> {
    let id = request.need("pullRequestId")?;
    let wanted = request
        .argument("mergeMethod")
        .unwrap_or("MERGE".to_owned());
    let method = METHODS.iter().find(|(name, _)| *name == wanted);
    let (name, method) = method.ok_or_else(|| {
        Refusal::new(
            "argumentLiteralsIncompatible",
            "mergeMethod has an invalid value",
        )
    })?;
    for repository in state.repositories() {
        let mut kept = repository.state.lock().await;
        let Some(pull) = kept
            .pulls
            .iter_mut()
            .find(|it| it.node_id(&repository) == id)
        else {
            continue;
        };
        pull.refresh(&repository).await?;
        let mut pull = pull.clone();
        if !pull.is_open() {
            return Err(Refusal::unprocessable("Pull request is closed"));
        }
        let waits = pull.draft || kept.missing(&pull).is_some();
        if !waits && merge::is_clean(&repository, &pull).await? {
            // There is nothing to wait for: it has to be merged instead.
            return Err(Refusal::unprocessable(
                "Pull request Pull request is in clean status",
            ));
        }
        let enabled = Timestamp::now();
        pull.auto_merge = Some(AutoMerge { by: actor, method });
        let number = pull.number;
        *kept.pulls.get_mut(number)? = pull;
        return Ok(json!({ "enablePullRequestAutoMerge": { "pullRequest": {
            "id": id,
            "number": number,
            "autoMergeRequest": { "enabledAt": enabled, "mergeMethod": name },
        } } }));
    }
    Err(Refusal::unknown(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_found_however_they_are_given() {
        let find = |query: &str, variables: Value, name: &str| {
            let variables = &variables;
            Request { query, variables }.argument(name)
        };
        let id = || Some("PR_1".to_owned());
        let name = "pullRequestId";
        let inline = r#"mutation { enable(input: {pullRequestId: "PR_1", mergeMethod: SQUASH}) }"#;
        assert_eq!(find(inline, json!({}), name), id());
        assert_eq!(
            find(inline, json!({}), "mergeMethod"),
            Some("SQUASH".to_owned())
        );
        let variable = "mutation($id: ID!) { enable(input: {pullRequestId: $id}) }";
        assert_eq!(find(variable, json!({ "id": "PR_1" }), name), id());
        let whole = "mutation($input: X!) { enable(input: $input) }";
        let variables = json!({ "input": { "pullRequestId": "PR_1" } });
        assert_eq!(find(whole, variables, name), id());
        let named =
            "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) }";
        assert_eq!(
            find(named, json!({ "name": "x" }), "name"),
            Some("x".to_owned())
        );
        for broken in [
            "",
            "name",
            "name:",
            "name: $",
            "name: \"",
            "xname: 1",
            "ä name ä",
        ] {
            assert!(
                find(broken, json!({}), "name")
                    .unwrap_or_default()
                    .is_empty()
            );
        }
    }
}
