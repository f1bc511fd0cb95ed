//! Which containers answer, and what they were started with.

use std::time::Duration;

use modal_deploy::Verdict;
use modal_deploy::client::Call;
use modal_deploy::smoke::{self, SmokeOptions, Target};
use process::Redactor;
use registry_model::SmokeSpec;
use rehearsal::modal::ModalOptions;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::control::{controls, dev};
use crate::support::{Bench, docker, image_ref, marked, python_image};

/// What the smoke function returns to Modal's own package, which pins nothing.
async fn unpinned(bench: &Bench) -> Value {
    let code = "import json, modal; f = modal.Function.from_name('app', 'smoke', \
                environment_name='dev'); print(json.dumps(f.remote({'mode': 'mock'})))";
    serde_json::from_str(&bench.python(code).await.ok()).unwrap()
}

#[tokio::test]
async fn old_containers_answer_others_but_never_the_smoke() {
    let (one, two) = ("pipeline-tests/modal-old:1", "pipeline-tests/modal-old:2");
    marked(python_image().await, "one", one).await;
    marked(python_image().await, "two", two).await;
    let bench = Bench::with(ModalOptions {
        environments: vec![dev()],
        old_containers: Duration::from_secs(3600),
        ..ModalOptions::default()
    })
    .await;
    bench.deploy(one, &[]).await.ok();
    assert_eq!(unpinned(&bench).await["marker"], "one");
    bench.deploy(two, &[]).await.ok();
    assert_eq!(unpinned(&bench).await["marker"], "one");

    let expect = serde_json::from_value(json!({"/marker": "two"})).unwrap();
    let target = |version| Target {
        reference: "llm/x@1".parse().unwrap(),
        app: "app".to_owned(),
        image: image_ref('a').parse().unwrap(),
        version,
        smoke: Some(SmokeSpec {
            expect: Some(expect),
            ..SmokeSpec::default()
        }),
    };
    let pinned = target(Some(2));
    let not = Target {
        version: None,
        ..pinned.clone()
    };
    let (options, redactor) = (SmokeOptions::default(), Redactor::new());
    let cancel = CancellationToken::new();
    for control in controls(&bench) {
        let targets = [pinned.clone(), not.clone()];
        let reports = smoke::run(&control, &dev(), &targets, &options, &redactor, &cancel).await;
        let [pinned, not] = reports.try_into().unwrap();
        let pinned = pinned.unwrap();
        assert_eq!(pinned.verdict, Verdict::Passed, "{pinned:?}");
        assert_eq!(pinned.calls[0].version, Some(2));
        let not = not.unwrap();
        assert_eq!(not.verdict, Verdict::Failed, "{not:?}");
        let detail = not.detail.unwrap();
        assert!(
            detail.contains("the reply has `one` at `/marker`"),
            "{detail}"
        );
    }
    bench.stop().await;
    docker(&["image", "rm", one, two]).await;
}

#[tokio::test]
async fn containers_keep_the_values_they_were_started_with() {
    let image = "pipeline-tests/modal-values:1";
    marked(python_image().await, "one", image).await;
    let bench = Bench::start(&["dev"]).await;
    let write = async |value: &str| {
        bench.file("s.json", &json!({"TOOL_KEY": value}).to_string());
        let create = "secret create TOOL --from-json s.json --force -e dev";
        bench.modal(create).await.ok();
    };
    let deploy = async || {
        let secrets = [("TOOL_SECRETS", "TOOL")];
        bench.deploy(image, &secrets).await.ok()
    };
    let length = async || unpinned(&bench).await["key-length"].clone();
    write("1").await;
    deploy().await;
    assert_eq!(length().await, 1);

    write("22").await;
    assert_eq!(length().await, 1);
    let said = deploy().await;
    assert!(said.contains("skipped: no changes"), "{said}");
    assert_eq!(length().await, 1);
    bench.modal("app rollover app -e dev").await.ok();
    assert_eq!(length().await, 2);

    // The same definition, and yet other containers.
    let [native, _] = controls(&bench);
    let environment = dev();
    for version in [1, 2] {
        let call = Call {
            environment: &environment,
            app: "app",
            function: "smoke",
            version: Some(version),
            payload: json!({"mode": "mock"}),
            timeout: Duration::from_secs(60),
        };
        let reply = native.call(&call, &CancellationToken::new()).await.unwrap();
        assert_eq!(reply.envelope().unwrap()["key-length"], version);
    }

    // An earlier version comes back with what its secrets hold by then.
    write("333").await;
    assert_eq!(length().await, 2);
    bench.modal("app rollback app v1 -e dev").await.ok();
    assert_eq!(length().await, 3);
    bench.stop().await;
    docker(&["image", "rm", image]).await;
}
