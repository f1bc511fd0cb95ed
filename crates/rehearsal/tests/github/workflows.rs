//! Starting a workflow.

use std::collections::BTreeMap;

use github::GithubError;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_started_workflow_is_written_down() {
    let world = World::new().await;
    let file = ".github/workflows/acceptance.yaml";
    let text: &[u8] = b"on: workflow_dispatch\n";
    let sha = world
        .commit(
            "dev",
            "add",
            &[(file, text), (".github/workflows/push.yaml", b"on: push\n")],
        )
        .await;
    let inputs = BTreeMap::from([("suite".to_owned(), "all".to_owned())]);
    let start = async |file: &str, branch: &str| {
        world
            .with("ghs_actions")
            .dispatch_workflow(file, branch, &inputs)
            .await
    };
    let early = start("acceptance.yaml", "add").await;
    assert!(
        matches!(early, Err(GithubError::NotFound { .. })),
        "{early:?}"
    );

    world.repo.update_branch("dev", &sha, false).await.unwrap();
    start("acceptance.yaml", "add").await.unwrap();
    for (file, branch, words) in [
        ("acceptance.yaml", "gone", "No ref found for: gone"),
        (
            "push.yaml",
            "add",
            "does not have 'workflow_dispatch' trigger",
        ),
    ] {
        let error = start(file, branch).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let path = "/actions/workflows/..%2F..%2FREADME.md/dispatches";
    let refused = world.refusal("POST", path, &json!({ "ref": "dev" })).await;
    assert_eq!(refused.0, 404);

    let started = world.server.dispatches(&world.name).await.unwrap();
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].workflow, "acceptance.yaml");
    assert_eq!(
        (started[0].reference.as_str(), started[0].by.as_str()),
        ("add", "github-actions[bot]")
    );
    assert_eq!(started[0].inputs["suite"], "all");
    let nobody = "acme/nobody".parse().unwrap();
    assert!(world.server.dispatches(&nobody).await.is_err());
}
