//! Functions with a routing region, whose calls go to an input plane.

use std::time::Duration;

use modal_deploy::ModalError;
use modal_deploy::client::{Call, Client};
use modal_deploy::proto::FunctionRetryPolicy;
use modal_deploy::proto::generic_result::GenericStatus;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::plane::{Plane, failure, success};

/// A control plane, and the input plane that it names.
async fn planes() -> (Plane, Plane) {
    let (control, input) = (Plane::start().await, Plane::start().await);
    let url = input.client().options().server_url.clone();
    let mut state = control.state();
    let metadata = state.function.handle_metadata.as_mut().unwrap();
    metadata.input_plane_url = Some(url);
    metadata.input_plane_region = Some("eu-west".to_owned());
    drop(state);
    (control, input)
}

async fn call(client: &Client, timeout: Duration) -> Result<serde_json::Value, ModalError> {
    let call = Call {
        environment: &"dev".parse().unwrap(),
        app: "app",
        function: "smoke",
        version: Some(3),
        payload: json!({"mode": "mock"}),
        timeout,
    };
    let reply = client.call(&call, &CancellationToken::new()).await?;
    assert_eq!((reply.call_id.as_str(), reply.version), ("", Some(3)));
    Ok(reply.envelope().unwrap())
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_input_plane_is_asked_with_the_auth_token_and_the_region() {
    let (control, input) = planes().await;
    let answer = json!({"status": "success"});
    input.state().outputs = [None, success(&answer)].into();
    assert_eq!(call(&control.client(), LONG).await.unwrap(), answer);
    let asked: Vec<_> = input.state().seen.iter().map(|seen| seen.rpc).collect();
    assert_eq!(asked, ["AttemptStart", "AttemptAwait", "AttemptAwait"]);
    for seen in &input.state().seen {
        let token = seen.header("x-modal-auth-token");
        assert_eq!(token, Some("jwt-of-the-connection"));
        assert_eq!(seen.header("x-modal-input-plane-region"), Some("eu-west"));
    }
    assert_eq!(control.count("FunctionMap"), 0);
    let sent = json!([[{"mode": "mock"}], {}]);
    let sent = ciborium::Value::serialized(&sent).unwrap();
    assert_eq!(input.state().arguments, [sent]);
}

#[tokio::test]
async fn lost_inputs_are_handed_in_again_eight_times() {
    let lost = || failure(GenericStatus::InternalFailure, "lost worker", "");
    let (control, input) = planes().await;
    input.state().outputs = [lost(), lost(), success(&json!({}))].into();
    call(&control.client(), LONG).await.unwrap();
    assert_eq!(input.count("AttemptRetry"), 2);

    let (control, input) = planes().await;
    input.state().outputs = (0..9).map(|_| lost()).collect();
    let error = call(&control.client(), LONG).await.unwrap_err();
    assert!(error.to_string().contains("INTERNAL_FAILURE: lost worker"));
    assert_eq!(input.count("AttemptRetry"), 8);
}

#[tokio::test]
async fn the_retries_of_the_function_are_ours_to_make() {
    let (control, input) = planes().await;
    input.state().user_retries = Some(FunctionRetryPolicy {
        backoff_coefficient: 1.0,
        initial_delay_ms: 0,
        max_delay_ms: 1000,
        retries: 1,
    });
    let broken = || failure(GenericStatus::Failure, "flaky", "");
    input.state().outputs = [broken(), broken()].into();
    let error = call(&control.client(), LONG).await.unwrap_err();
    assert!(error.to_string().contains("FAILURE: flaky"));
    assert_eq!(input.count("AttemptRetry"), 1);
}

#[tokio::test]
async fn an_input_plane_that_never_answers_meets_the_deadline() {
    let (control, input) = planes().await;
    let error = call(&control.client(), Duration::from_millis(300)).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ModalError::CallTimedOut { .. }), "{error}");
    assert_eq!(input.count("AttemptAwait"), 1);
    assert_eq!(control.count("FunctionCallCancel"), 0);
}

#[tokio::test]
async fn an_input_plane_that_cannot_be_reached_is_named() {
    let control = Plane::start().await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    control
        .state()
        .function
        .handle_metadata
        .as_mut()
        .unwrap()
        .input_plane_url = Some(url.clone());
    let error = call(&control.client(), LONG).await.unwrap_err();
    let says = format!("(AttemptStart at {url})");
    assert!(error.to_string().ends_with(&says), "{error}");
}
