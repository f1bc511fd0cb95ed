//! The mutation `updateRefs`: several references at once, all or none, each if it is where the caller
//! thinks.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::ApiError;
use super::graphql::{Refusal, Request};
use super::identity::node_id;
use super::names::is_ref_name;
use super::repository::Repository;
use super::server::Inner;

const NOWHERE: &str = "0000000000000000000000000000000000000000";
/// More than anybody moves at once.
const MOST: usize = 100;

/// GitHub's input of that name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefUpdate {
    name: String,
    before_oid: Option<String>,
    after_oid: String,
    #[serde(default)]
    force: bool,
}

fn id_of(repository: &Repository) -> String {
    node_id("R", &repository.name.to_string())
}

/// `repository(owner:, name:) { id }`
pub(super) fn find(state: &Inner, request: &Request<'_>) -> Result<Value, Refusal> {
    let (owner, name) = (request.need("owner")?, request.need("name")?);
    let repository = state.repository(&owner, &name);
    let repository = repository.map_err(|_| Refusal::unknown(&format!("{owner}/{name}")))?;
    Ok(json!({ "repository": { "id": id_of(&repository) } }))
}

pub(super) async fn update_refs(state: &Inner, request: &Request<'_>) -> Result<Value, Refusal> {
    let id = request.need("repositoryId")?;
    let mut repositories = state.repositories().into_iter();
    let repository = repositories.find(|one| id_of(one) == id);
    let repository = repository.ok_or_else(|| Refusal::unknown(&id))?;
    let updates = request.variables["input"]["refUpdates"].clone();
    let updates: Vec<RefUpdate> = serde_json::from_value(updates)
        .map_err(|error| Refusal::unprocessable(&format!("refUpdates: {error}")))?;
    if updates.len() > MOST {
        return Err(Refusal::unprocessable("refUpdates are too many"));
    }

    let git = &repository.git;
    let mut kept = repository.state.lock().await;
    let mut script = String::from("start\n");
    let mut gone = Vec::new();
    for update in &updates {
        let RefUpdate {
            name,
            after_oid: after,
            ..
        } = update;
        if !name.starts_with("refs/") || !is_ref_name(name) {
            return Err(Refusal::unprocessable(&format!(
                "{name} is not a valid ref name."
            )));
        }
        let old = git.read_ref(name).await.map_err(ApiError::from)?;
        let there = old.as_deref().unwrap_or(NOWHERE);
        if update
            .before_oid
            .as_deref()
            .is_some_and(|before| before != there)
        {
            return Err(Refusal::unprocessable(&format!(
                "{name} is not at the expected commit"
            )));
        }
        let branch = name.strip_prefix("refs/heads/");
        if after == NOWHERE {
            if branch == Some(&repository.default_branch) {
                return Err(Refusal::unprocessable("Cannot delete the default branch"));
            }
            gone.extend(branch.zip(old.clone()));
            script.push_str(&format!("delete {name} {there}\n"));
            continue;
        }
        if git
            .object(after, "commit")
            .await
            .map_err(ApiError::from)?
            .is_none()
        {
            return Err(Refusal::unprocessable("Object does not exist"));
        }
        if let Some(old) = &old
            && !update.force
            && git.left_right(old, after).await.map_err(ApiError::from)?.0 > 0
        {
            return Err(Refusal::unprocessable("Update is not a fast forward"));
        }
        script.push_str(&format!("update {name} {after} {there}\n"));
    }
    script.push_str("commit\n");
    let command = git.command(["update-ref", "--stdin"]).stdin(script);
    if git.start(command).await.is_err() {
        return Err(Refusal::unprocessable("Reference update failed"));
    }
    for (branch, sha) in gone {
        kept.pulls.branch_goes(branch, &sha);
    }
    Ok(json!({ "updateRefs": { "clientMutationId": null } }))
}
