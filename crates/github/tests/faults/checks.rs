use std::collections::BTreeMap;

use github::{CommitStatus, GithubError, StatusState};
use serde_json::json;

use crate::script::{SHA, Script, message, sha, step};

const START: &str = "POST /repos/acme/x/actions/workflows/acceptance.yaml/dispatches";
const STATUS: &str = "POST /repos/acme/x/statuses/0123456789abcdef0123456789abcdef01234567";
const COMBINED: &str =
    "GET /repos/acme/x/commits/0123456789abcdef0123456789abcdef01234567/status?per_page=100";

#[tokio::test]
async fn a_workflow_is_started_on_a_branch() {
    let none = BTreeMap::new();
    let script = Script::new(vec![
        step(START, 503, ""),
        step(START, 204, ""),
        step(START, 404, message("Not Found")),
        step(
            START,
            422,
            message("Workflow does not have 'workflow_dispatch' trigger"),
        ),
        step(
            START,
            403,
            message("Resource not accessible by integration"),
        ),
    ])
    .await;
    let start = || {
        script
            .repo
            .dispatch_workflow("acceptance.yaml", "bot/pin-1", &none)
    };
    start().await.unwrap();
    let errors = [
        start().await.unwrap_err(),
        start().await.unwrap_err(),
        start().await.unwrap_err(),
    ];
    script.check();
    assert_eq!(
        script.bodies()[1],
        json!({ "ref": "bot/pin-1", "inputs": {} })
    );
    assert!(errors[0].hint().unwrap().contains("actions: write"));
    assert!(errors[1].hint().unwrap().contains("on: workflow_dispatch"));
    assert!(errors[2].hint().unwrap().contains("actions: write"));

    for bad in [
        "",
        "../x.yaml",
        "a/b.yaml",
        "acceptance",
        "a?.yml",
        "x.yaml\n",
    ] {
        let error = script.repo.dispatch_workflow(bad, "x", &none).await;
        assert!(matches!(error, Err(GithubError::Invalid { .. })), "{bad:?}");
    }
}

#[tokio::test]
async fn a_status_is_set_and_read() {
    let status = CommitStatus {
        context: "acceptance".into(),
        state: StatusState::Pending,
        description: Some("x".repeat(200)),
        target_url: None,
    };
    let combined = json!({ "state": "pending", "sha": SHA, "statuses": [{
        "context": "acceptance", "state": "failure", "description": null, "target_url": "https://a",
    }] });
    let script = Script::new(vec![
        step(STATUS, 201, "{}"),
        step(
            STATUS,
            403,
            message("Resource not accessible by integration"),
        ),
        step(COMBINED, 200, combined.to_string()),
    ])
    .await;
    script.repo.set_status(&sha(), &status).await.unwrap();
    let error = script.repo.set_status(&sha(), &status).await.unwrap_err();
    let found = script.repo.combined_status(&sha()).await.unwrap();
    script.check();
    assert_eq!(script.bodies()[0]["state"], "pending");
    assert_eq!(
        script.bodies()[0]["description"].as_str().unwrap().len(),
        140
    );
    assert!(error.hint().unwrap().contains("statuses: write"));
    assert_eq!(found.state, StatusState::Pending);
    assert_eq!(found.statuses[0].state, StatusState::Failure);
}
