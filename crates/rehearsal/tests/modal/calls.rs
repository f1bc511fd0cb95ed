use std::time::{Duration, Instant};

use modal_deploy::proto::function_input::ArgsOneof;
use modal_deploy::proto::generic_result::{DataOneof, GenericStatus};
use modal_deploy::proto::modal_client_client::ModalClientClient;
use modal_deploy::proto::{
    DataFormat, FunctionCallCancelRequest, FunctionCallType, FunctionGetOutputsItem,
    FunctionGetOutputsRequest, FunctionGetRequest, FunctionInput, FunctionMapRequest,
    FunctionPutInputsItem,
};
use rehearsal::modal::{ClientPackages, ModalOptions};
use rehearsal::registry::{EmbeddedRegistry, RegistryOptions};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::support::{Bench, containers, docker, marked, python_image};

pub(crate) type Token = fn(Request<()>) -> Result<Request<()>, Status>;
pub(crate) type Client = ModalClientClient<InterceptedService<Channel, Token>>;

pub(crate) async fn client(bench: &Bench) -> Client {
    let channel = Channel::from_shared(bench.modal.url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let token: Token = |mut request| {
        for (name, value) in [
            ("x-modal-token-id", "ak-t"),
            ("x-modal-token-secret", "as-t"),
        ] {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        Ok(request)
    };
    ModalClientClient::with_interceptor(channel, token)
}

/// Begins a call with a CBOR input, as the native client does.
async fn begin(client: &mut Client, function: &str, version: i32) -> String {
    let found = client
        .function_get(FunctionGetRequest {
            app_name: "app".into(),
            object_tag: function.into(),
            environment_name: "dev".into(),
            app_version: version,
        })
        .await
        .unwrap()
        .into_inner();
    let handle = found.handle_metadata.unwrap();
    assert!(
        handle
            .supported_input_formats()
            .any(|format| format == DataFormat::Cbor)
    );
    let mut args = Vec::new();
    ciborium::into_writer(&json!([[{"mode": "mock"}], {}]), &mut args).unwrap();
    let call = client
        .function_map(FunctionMapRequest {
            function_id: found.function_id,
            function_call_type: FunctionCallType::Unary.into(),
            pipelined_inputs: vec![FunctionPutInputsItem {
                idx: 0,
                input: Some(FunctionInput {
                    data_format: DataFormat::Cbor.into(),
                    args_oneof: Some(ArgsOneof::Args(args)),
                    ..FunctionInput::default()
                }),
            }],
            ..FunctionMapRequest::default()
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(call.pipelined_inputs.len(), 1);
    call.function_call_id
}

async fn output(client: &mut Client, call: &str) -> FunctionGetOutputsItem {
    for _ in 0..5 {
        let answer = client
            .function_get_outputs(FunctionGetOutputsRequest {
                function_call_id: call.into(),
                max_values: 1,
                timeout: 55.0,
                last_entry_id: "0-0".into(),
                ..FunctionGetOutputsRequest::default()
            })
            .await
            .unwrap()
            .into_inner();
        if let Some(output) = answer.outputs.into_iter().next() {
            return output;
        }
    }
    panic!("no answer");
}

async fn call(client: &mut Client, function: &str, version: i32) -> FunctionGetOutputsItem {
    let call = begin(client, function, version).await;
    output(client, &call).await
}

fn reply(output: FunctionGetOutputsItem) -> serde_json::Value {
    let result = output.result.as_ref().unwrap();
    assert_eq!(result.status(), GenericStatus::Success, "{result:?}");
    assert_eq!(output.data_format(), DataFormat::Cbor);
    match output.result.unwrap().data_oneof {
        Some(DataOneof::Data(data)) => ciborium::from_reader(&data[..]).unwrap(),
        other => panic!("{other:?}"),
    }
}

const ASK: &str = r#"
import json, sys, traceback
import modal

def function(name):
    return modal.Function.from_name("app", name, environment_name="dev")

def attempt(name, *args):
    try:
        if name == "count":
            return {"value": list(function(name).remote_gen(*args))}
        return {"value": function(name).remote(*args)}
    except Exception as exc:
        text = "".join(traceback.format_exception(exc))
        return {"type": type(exc).__name__, "text": str(exc), "traceback": text}

print(json.dumps({
    "smoke": attempt("smoke", {"mode": "mock"}),
    "refuse": attempt("refuse", {"mode": "odd"}),
    "hang": attempt("hang", {}),
    "crash": attempt("crash", {}),
    "count": attempt("count", 3),
    "map": list(function("add").map(range(3), kwargs={"b": 10})),
}))
"#;

#[tokio::test]
async fn modals_own_package_calls_what_runs_in_the_pinned_image() {
    let registry = EmbeddedRegistry::start(&RegistryOptions::default(), &CancellationToken::new())
        .await
        .unwrap();
    let tagged = format!("{}/tests/processor:1", registry.host());
    marked(python_image().await, "the pinned image", &tagged).await;
    docker(&["push", "--quiet", &tagged]).await;
    let pinned = docker(&["inspect", "--format", "{{index .RepoDigests 0}}", &tagged]).await;
    // The call has to pull it by its digest.
    docker(&["image", "rm", &tagged]).await;

    let bench = Bench::start(&["dev"]).await;
    bench.file("s.json", r#"{"TOOL_KEY": "a-secret-value"}"#);
    bench
        .modal("secret create TOOL --from-json s.json -e dev")
        .await
        .ok();
    bench
        .deploy(&pinned, &[("TOOL_SECRETS", "TOOL")])
        .await
        .ok();
    let live = bench
        .modal
        .deployed(&"dev".parse().unwrap(), "app")
        .unwrap();
    assert_eq!(live.from_image, pinned);

    let answers: serde_json::Value = serde_json::from_str(&bench.python(ASK).await.ok()).unwrap();
    assert_eq!(
        answers["smoke"]["value"],
        json!({
            "ref": "llm/x@1",
            "payload": {"mode": "mock"},
            "quoted": "it's $5 \"and\" more",
            "local": false,
            "environment": "dev",
            "key-length": 14,
            "marker": "the pinned image",
            "networks": ["lo"],
        })
    );
    let refused = &answers["refuse"];
    assert_eq!(
        (&refused["type"], &refused["text"]),
        (&json!("ValueError"), &json!("no such mode: odd"))
    );
    let traceback = refused["traceback"].as_str().unwrap();
    assert!(traceback.contains("/root/modal_app.py"), "{traceback}");
    assert!(!traceback.contains("runner.py"), "{traceback}");

    assert_eq!(answers["hang"]["type"], "FunctionTimeoutError");
    let crash = answers["crash"]["text"].as_str().unwrap();
    assert!(crash.contains("exit code 7"), "{crash}");
    assert!(crash.contains("last words of ***"), "{crash}");
    let count = answers["count"]["text"].as_str().unwrap_or_default();
    assert!(count.contains("generators"), "{}", answers["count"]);
    assert_eq!(answers["map"], json!([10, 11, 12]));

    bench.stop().await;
    docker(&["image", "rm", &pinned]).await;
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_pinned_version_answers_after_the_next_deploy() {
    let (one, two) = ("pipeline-tests/modal-pin:1", "pipeline-tests/modal-pin:2");
    marked(python_image().await, "one", one).await;
    marked(python_image().await, "two", two).await;
    let bench = Bench::start(&["dev"]).await;
    bench.deploy(one, &[]).await.ok();
    bench.deploy(two, &[]).await.ok();
    let mut client = client(&bench).await;
    for (version, marker) in [(1, "one"), (2, "two"), (0, "two")] {
        let reply = reply(call(&mut client, "smoke", version).await);
        assert_eq!(reply["marker"], marker, "version {version}");
    }
    let raised = call(&mut client, "refuse", 0).await.result.unwrap();
    assert_eq!(raised.status(), GenericStatus::Failure);
    assert_eq!(raised.exception, "ValueError('no such mode: mock')");
    assert!(
        raised.traceback.contains("modal_app.py"),
        "{}",
        raised.traceback
    );
    assert_eq!(
        raised.data_oneof, None,
        "pickled data has no place in an answer to CBOR"
    );
    bench.stop().await;
    docker(&["image", "rm", one, two]).await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let image = "pipeline-tests/modal-start:1";
    marked(python_image().await, "x", image).await;
    let empty = "pipeline-tests/modal-empty:1";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("Dockerfile"),
        "FROM scratch\nCOPY Dockerfile /\n",
    )
    .unwrap();
    docker(&[
        "build",
        "--quiet",
        "--tag",
        empty,
        folder.path().to_str().unwrap(),
    ])
    .await;

    let bench = Bench::start(&["dev"]).await;
    bench.file(
        "s.json",
        r#"{"BREAK_IMPORT": "1", "LOUD": "a-secret-value"}"#,
    );
    bench
        .modal("secret create BREAK --from-json s.json -e dev")
        .await
        .ok();
    let mut client = client(&bench).await;

    bench.deploy(image, &[("TOOL_SECRETS", "BREAK")]).await.ok();
    let broken = call(&mut client, "smoke", 0).await;
    assert_eq!(broken.data_format(), DataFormat::Unspecified);
    let broken = broken.result.unwrap();
    assert_eq!(broken.status(), GenericStatus::InitFailure);
    assert_eq!(
        broken.exception,
        "RuntimeError('the module breaks in the container')"
    );

    bench.deploy(empty, &[]).await.ok();
    let started = call(&mut client, "smoke", 0).await.result.unwrap();
    assert_eq!(started.status(), GenericStatus::InitFailure);
    assert!(started.exception.contains(empty), "{}", started.exception);
    assert!(
        started.exception.contains("python"),
        "{}",
        started.exception
    );
    bench.stop().await;

    let bench = Bench::with(ModalOptions {
        environments: vec!["dev".parse().unwrap()],
        client_packages: Some(ClientPackages::none()),
        ..ModalOptions::default()
    })
    .await;
    bench.deploy(image, &[]).await.ok();
    let mut client = self::client(&bench).await;
    let missing = call(&mut client, "smoke", 0).await.result.unwrap();
    assert_eq!(missing.status(), GenericStatus::InitFailure);
    assert!(
        missing.exception.contains("pip install --target"),
        "{}",
        missing.exception
    );
    bench.stop().await;
    docker(&["image", "rm", image, empty]).await;
}

#[tokio::test]
async fn a_cancelled_call_and_a_stopped_control_plane_leave_no_container() {
    let image = "pipeline-tests/modal-cancel:1";
    marked(python_image().await, "x", image).await;
    let bench = Bench::start(&["dev"]).await;
    bench.deploy(image, &[]).await.ok();
    let label = bench.modal.label().to_owned();
    let mut client = client(&bench).await;

    let cancelled = begin(&mut client, "linger", 0).await;
    until("a container is there", async || {
        !containers(&label).await.is_empty()
    })
    .await;
    client
        .function_call_cancel(FunctionCallCancelRequest {
            function_call_id: cancelled.clone(),
            ..FunctionCallCancelRequest::default()
        })
        .await
        .unwrap();
    let result = output(&mut client, &cancelled).await.result.unwrap();
    assert_eq!(result.status(), GenericStatus::Terminated);
    until("no container is there", async || {
        containers(&label).await.is_empty()
    })
    .await;

    begin(&mut client, "linger", 0).await;
    until("a container is there", async || {
        !containers(&label).await.is_empty()
    })
    .await;
    bench.stop().await;

    // A control plane that is dropped has nobody to wait for it, and cleans up all the same.
    let bench = Bench::start(&["dev"]).await;
    bench.deploy(image, &[]).await.ok();
    let label = bench.modal.label().to_owned();
    begin(&mut self::client(&bench).await, "linger", 0).await;
    until("a container is there", async || {
        !containers(&label).await.is_empty()
    })
    .await;
    drop(bench);
    until("no container is there", async || {
        containers(&label).await.is_empty()
    })
    .await;
    docker(&["image", "rm", image]).await;
}

async fn until(what: &str, probe: impl AsyncFn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !probe().await {
        assert!(Instant::now() < limit, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
