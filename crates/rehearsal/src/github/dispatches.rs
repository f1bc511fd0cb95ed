use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Map, Value};

use super::answer::{ApiError, ApiResult, Input};
use super::contents;
use super::identity::Actor;
use super::server::Shared;

/// GitHub's limits for the inputs of one run: their number, and bytes of all of them.
const MOST_INPUTS: usize = 25;
const LONGEST_INPUTS: usize = 65_535;
/// More than anybody starts here.
const MOST: usize = 10_000;

/// A workflow that was started through the API. Nothing runs here: it is only written down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dispatch {
    /// The name of the file below `.github/workflows`.
    pub workflow: String,
    /// The branch or tag, as it was named.
    pub reference: String,
    /// The inputs.
    pub inputs: Map<String, Value>,
    /// The login of who started it.
    pub by: String,
}

/// `POST /repos/{owner}/{repo}/actions/workflows/{id}/dispatches`
pub(super) async fn create(
    State(state): State<Shared>,
    Path((owner, repo, workflow)): Path<(String, String, String)>,
    actor: Actor,
    body: Bytes,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let input = Input::read(&body)?;
    if body.len() > LONGEST_INPUTS {
        return Err(ApiError::unprocessable("inputs are too large."));
    }
    let reference = input.need_text("ref")?;
    let inputs = match input.get("inputs") {
        None => Map::new(),
        Some(Value::Object(inputs)) if inputs.len() <= MOST_INPUTS => inputs.clone(),
        Some(Value::Object(_)) => {
            return Err(ApiError::unprocessable(
                "you may only define up to 25 `inputs` for a `workflow_dispatch` event",
            ));
        }
        Some(_) => return Err(ApiError::mistyped("inputs", "an object")),
    };
    // GitHub knows a workflow only once it is on the default branch.
    let file = format!(".github/workflows/{workflow}");
    let known = contents::text(&repository, &repository.default_branch, &file).await?;
    known.ok_or_else(ApiError::not_found)?;
    if repository.git.commit(reference).await?.is_none() {
        return Err(ApiError::unprocessable(format!(
            "No ref found for: {reference}"
        )));
    }
    let there = contents::text(&repository, reference, &file).await?;
    if !there.is_some_and(|text| text.contains("workflow_dispatch")) {
        return Err(ApiError::unprocessable(
            "Workflow does not have 'workflow_dispatch' trigger",
        ));
    }
    let mut kept = repository.state.lock().await;
    if kept.dispatches.len() >= MOST {
        return Err(ApiError::unprocessable("too many runs"));
    }
    kept.dispatches.push(Dispatch {
        workflow,
        reference: reference.to_owned(),
        inputs,
        by: actor.login().to_owned(),
    });
    Ok(StatusCode::NO_CONTENT.into_response())
}
