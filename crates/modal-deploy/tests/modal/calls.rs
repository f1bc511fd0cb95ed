//! Calling functions.

use std::time::Duration;

use modal_deploy::ModalError;
use modal_deploy::client::{Call, Client, Reply};
use modal_deploy::proto::generic_result::{DataOneof, GenericStatus};
use modal_deploy::proto::{DataFormat, Function, FunctionData, FunctionRetryPolicy, function_data};
use registry_model::Environment;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::blob::{self, serve};
use crate::plane::{Plane, Step, cbor, failure, success};

fn call(environment: &Environment) -> Call<'_> {
    Call {
        environment,
        app: "llm-litellm-v1",
        function: "smoke",
        version: Some(3),
        payload: json!({"ref": "llm/litellm@1", "mode": "mock"}),
        timeout: Duration::from_secs(30),
    }
}

async fn run(client: &Client) -> Result<Reply, ModalError> {
    let environment = "dev".parse().unwrap();
    client
        .call(&call(&environment), &CancellationToken::new())
        .await
}

#[tokio::test]
async fn the_output_comes_after_two_empty_polls() {
    let plane = Plane::start().await;
    let answer = json!({"status": "success"});
    plane.state().outputs = [None, None, success(&answer)].into();
    let reply = run(&plane.client()).await.unwrap();
    assert_eq!(reply.envelope(), Some(answer));
    assert_eq!((reply.call_id.as_str(), reply.version), ("fc-1", Some(3)));
    let state = plane.state();
    assert_eq!(state.pinned, [3]);
    let sent = json!([[{"ref": "llm/litellm@1", "mode": "mock"}], {}]);
    assert_eq!(
        state.arguments,
        [ciborium::Value::serialized(&sent).unwrap()]
    );
    assert!(state.cancelled.is_empty());
}

#[tokio::test]
async fn inputs_that_are_not_pipelined_are_put() {
    let plane = Plane::start().await;
    plane.state().pipelined = false;
    plane.state().outputs = [success(&json!(null))].into();
    let reply = run(&plane.client()).await.unwrap();
    assert_eq!(reply.value, ciborium::Value::Null);
    assert_eq!(plane.count("FunctionPutInputs"), 1);
    assert_eq!(plane.state().arguments.len(), 1);
}

#[tokio::test]
async fn a_failure_shows_exception_and_traceback() {
    let plane = Plane::start().await;
    let traceback =
        "Traceback (most recent call last):\n  File \"modal_app.py\", line 9, in smoke\n";
    plane.state().outputs = [failure(
        GenericStatus::Failure,
        "KeyError('IMAGE_REF')",
        traceback,
    )]
    .into();
    let error = run(&plane.client()).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"
    call `smoke` of app `llm-litellm-v1`: FAILURE: KeyError('IMAGE_REF')
    Traceback (most recent call last):
      File "modal_app.py", line 9, in smoke
    "#);
    assert_eq!(error.class().exit_code(), 15);
    assert!(plane.state().cancelled.is_empty());
}

#[tokio::test]
async fn a_container_that_cannot_start_is_explained() {
    let plane = Plane::start().await;
    let (format, mut result) =
        failure(GenericStatus::InitFailure, "KeyError('PROCESSOR_REF')", "").unwrap();
    result.exitcode = 1;
    // A pickle, which is never opened.
    result.data_oneof = Some(DataOneof::Data(b"\x80\x04pickle".to_vec()));
    plane.state().outputs = [Some((format, result))].into();
    let error = run(&plane.client()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "call `smoke` of app `llm-litellm-v1`: INIT_FAILURE (container exit code 1): \
         KeyError('PROCESSOR_REF')"
    );
    assert!(error.hint().unwrap().contains("modal.is_local()"));
}

#[tokio::test]
async fn internal_failures_are_retried_eight_times() {
    let plane = Plane::start().await;
    let internal = || failure(GenericStatus::InternalFailure, "lost worker", "");
    plane.state().outputs = [internal(), internal(), success(&json!("pong"))].into();
    run(&plane.client()).await.unwrap();
    assert_eq!(plane.count("FunctionRetryInputs"), 2);

    let plane = Plane::start().await;
    plane.state().outputs = (0..9).map(|_| internal()).collect();
    let error = run(&plane.client()).await.unwrap_err();
    assert!(error.to_string().contains("INTERNAL_FAILURE: lost worker"));
    assert_eq!(plane.count("FunctionRetryInputs"), 8);
}

#[tokio::test]
async fn the_retries_of_the_function_are_made_where_the_server_leaves_them_to_us() {
    let broken = || failure(GenericStatus::Failure, "flaky", "");
    let plane = Plane::start().await;
    plane.state().user_retries = Some(FunctionRetryPolicy {
        backoff_coefficient: 1.0,
        initial_delay_ms: 0,
        max_delay_ms: 1000,
        retries: 1,
    });
    plane.state().outputs = [broken(), broken()].into();
    run(&plane.client()).await.unwrap_err();
    assert_eq!(plane.count("FunctionRetryInputs"), 1);
}

#[tokio::test]
async fn a_call_without_answer_times_out_and_is_cancelled() {
    let plane = Plane::start().await;
    let environment = "dev".parse().unwrap();
    let mut call = call(&environment);
    call.timeout = Duration::from_millis(300);
    let error = plane
        .client()
        .call(&call, &CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "call `smoke` of app `llm-litellm-v1`: no answer within 300ms"
    );
    assert_eq!(plane.state().cancelled, ["fc-1"]);
}

#[tokio::test]
async fn interrupting_and_dropping_cancel_the_call_at_modal() {
    let plane = Plane::start().await;
    let environment = "dev".parse().unwrap();
    let client = plane.client();
    let polling = |state: &crate::plane::State| {
        state
            .seen
            .iter()
            .any(|seen| seen.rpc == "FunctionGetOutputs")
    };

    let cancel = CancellationToken::new();
    let call = call(&environment);
    let (outcome, ()) = tokio::join!(client.call(&call, &cancel), async {
        plane.until("a poll", polling).await;
        cancel.cancel();
    });
    assert!(outcome.unwrap_err().is_cancelled());
    assert_eq!(plane.state().cancelled, ["fc-1"]);

    plane.state().seen.clear();
    let keep = CancellationToken::new();
    tokio::select! {
        _ = client.call(&call, &keep) => panic!("answered"),
        () = plane.until("a poll", polling) => {}
    }
    plane
        .until("the cancellation", |state| state.cancelled.len() == 2)
        .await;
}

#[tokio::test]
async fn a_version_that_cannot_be_pinned_is_called_without() {
    let plane = Plane::start().await;
    let refused = Step::Fail(Status::failed_precondition("not on your plan"));
    plane.script("FunctionGet", [refused]);
    plane.state().outputs = [success(&json!("pong"))].into();
    let reply = run(&plane.client()).await.unwrap();
    assert_eq!(reply.version, None);
    assert_eq!(plane.state().pinned, [0]);
}

#[tokio::test]
async fn a_missing_function_is_not_looked_for_without_its_version() {
    let plane = Plane::start().await;
    let missing = Step::Fail(Status::not_found("no function `smoke`"));
    plane.script("FunctionGet", [missing]);
    let error = run(&plane.client()).await.unwrap_err();
    assert_eq!(error.grpc_code(), Some(tonic::Code::NotFound));
    assert_eq!(plane.count("FunctionGet"), 1);
}

#[tokio::test]
async fn functions_of_another_kind_are_refused_with_the_reason() {
    let plane = Plane::start().await;
    let client = plane.client();
    let refused = async |says: &str| {
        let error = run(&client).await.unwrap_err();
        assert!(matches!(error, ModalError::NotCallable { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    let good = plane.state().function.clone();
    let with = |change: fn(&mut modal_deploy::proto::FunctionHandleMetadata)| {
        let mut function = good.clone();
        change(function.handle_metadata.as_mut().unwrap());
        plane.state().function = function;
    };
    with(|metadata| metadata.web_url = "https://x.modal.run".to_owned());
    refused("web endpoint").await;
    with(|metadata| metadata.supported_input_formats = vec![DataFormat::Pickle.into()]);
    refused("redeploy it with 1.2").await;
    assert_eq!(plane.count("FunctionMap"), 0);

    with(|_| {});
    for (format, says) in [
        (DataFormat::GeneratorDone, "generator"),
        (DataFormat::Pickle, "not CBOR"),
    ] {
        let (_, result) = success(&json!(1)).unwrap();
        plane.state().outputs = [Some((format, result))].into();
        refused(says).await;
    }

    let environment = "dev".parse().unwrap();
    let mut large = call(&environment);
    large.payload = json!("x".repeat(3 * 1024 * 1024));
    let error = client.call(&large, &CancellationToken::new()).await;
    assert!(error.unwrap_err().to_string().contains("bytes, more than"));
}

#[tokio::test]
async fn large_results_are_fetched_from_their_blob() {
    let plane = Plane::start().await;
    let answer = json!({"status": "success", "text": "x".repeat(3_000_000)});
    plane.state().blob_url = serve("HTTP/1.1 200 OK", cbor(&answer)).await;
    plane.state().outputs = [blob::output()].into();
    let reply = run(&plane.client()).await.unwrap();
    assert_eq!(reply.envelope(), Some(answer));
}

#[tokio::test]
async fn a_blob_that_is_gone_or_garbled_is_told_without_its_signed_address() {
    for (head, body, says) in [
        ("HTTP/1.1 403 Forbidden", vec![], "403"),
        ("HTTP/1.1 200 OK", vec![0x82], "no CBOR"),
    ] {
        let plane = Plane::start().await;
        plane.state().blob_url = serve(head, body).await;
        plane.state().outputs = [blob::output()].into();
        let error = run(&plane.client()).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, ModalError::Blob { .. }), "{text}");
        assert!(text.contains(says) && !text.contains("hunter22"), "{text}");
    }
}

#[tokio::test]
async fn a_blob_that_is_too_large_or_in_the_clear_elsewhere_is_not_fetched() {
    let plane = Plane::start().await;
    let url = blob::serve_of_length("HTTP/1.1 200 OK", 1 << 30, vec![0; 10]).await;
    plane.state().blob_url = url;
    plane.state().outputs = [blob::output()].into();
    let error = run(&plane.client()).await.unwrap_err().to_string();
    assert!(
        error.ends_with("it is larger than 104857600 bytes"),
        "{error}"
    );

    plane.state().blob_url = "http://blobs.example.com/1".to_owned();
    plane.state().outputs = [blob::output()].into();
    let error = run(&plane.client()).await.unwrap_err().to_string();
    assert!(error.ends_with("its address is not https"), "{error}");
}

#[tokio::test]
async fn what_a_function_runs_in_can_be_read_back() {
    let plane = Plane::start().await;
    let ranked = |rank, image: &str| function_data::RankedFunction {
        rank,
        function: Some(Function {
            image_id: image.to_owned(),
            secret_ids: vec!["st-1".to_owned()],
            ..Default::default()
        }),
    };
    plane.state().function.function = Some(FunctionData {
        ranked_functions: vec![ranked(2, "im-other"), ranked(1, "im-live")],
        ..Default::default()
    });
    let environment = "dev".parse().unwrap();
    let client = plane.client();
    let live = client
        .live_image(&environment, "app", "smoke", None)
        .await
        .unwrap();
    assert_eq!(live.image_id.as_deref(), Some("im-live"));
    assert_eq!(live.secret_ids, ["st-1"]);
    plane.state().function.function = None;
    let older = client.live_image(&environment, "app", "smoke", None).await;
    assert_eq!(older.unwrap().image_id, None);
}
