//! The example of the client, against the scripted control plane.

use serde_json::json;

use crate::plane::{Plane, success};

#[expect(dead_code, reason = "its `main` takes the real arguments")]
#[path = "../../examples/call.rs"]
mod call;

#[tokio::test]
async fn lists_environments_and_calls_a_function() {
    let plane = Plane::start().await;
    let live = tempfile::tempdir().unwrap();
    std::fs::write(live.path().join("app"), "one im-1\n").unwrap();
    plane.state().live = Some(live.path().to_owned());
    plane.state().outputs = [success(&json!({"status": "success"}))].into();
    let arguments = ["dev", "app", "smoke", r#"{"mode": "mock"}"#].map(str::to_owned);
    let mut out = Vec::new();
    call::run(plane.options(), &arguments, &mut out)
        .await
        .unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
    workspace acme
    environment dev
    {
      "status": "success"
    }
    "#);
    assert_eq!(plane.state().pinned, [1]);
}

#[tokio::test]
async fn says_when_there_is_no_such_app() {
    let plane = Plane::start().await;
    let arguments = ["dev", "other", "smoke", "{}"].map(str::to_owned);
    let error = call::run(plane.options(), &arguments, &mut Vec::new()).await;
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "no app `other` is deployed in `dev`");
}
