//! Requests are counted and can be made to wait; calls can be answered without a container.

use std::time::{Duration, Instant};

use modal_deploy::client::Call;
use modal_deploy::proto::{AppGetOrCreateRequest, ObjectCreationType};
use rehearsal::modal::ModalOptions;
use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::calls::client;
use crate::control::{controls, dev};
use crate::support::{Bench, image_ref};

/// More than a page of any list.
const MANY: usize = 120;

#[tokio::test]
async fn requests_are_counted_and_wait_as_long_as_they_should() {
    let bench = Bench::with(ModalOptions {
        environments: vec![dev()],
        latency: Duration::from_millis(200),
        ..ModalOptions::default()
    })
    .await;
    let cancel = CancellationToken::new();
    let [native, _] = controls(&bench);
    native.environments(&cancel).await.unwrap();
    assert_eq!(bench.modal.count("EnvironmentList"), 1);

    let began = Instant::now();
    native.environments(&cancel).await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert_eq!(bench.modal.count("EnvironmentList"), 2);
    assert_eq!(bench.modal.count("SecretList"), 0);
    bench.stop().await;
}

#[tokio::test]
async fn lists_that_are_longer_than_a_page_are_whole() {
    let bench = Bench::start(&["dev"]).await;
    let cancel = CancellationToken::new();
    let dev = dev();
    let [native, _] = controls(&bench);
    let mut names: Vec<String> = (0..MANY).map(|index| format!("NAME-{index:03}")).collect();
    let mut raw = client(&bench).await;
    for name in &names {
        let values = [("KEY".to_owned(), SecretString::from("value"))].into();
        native
            .upsert_secret(&dev, name, &values, &cancel)
            .await
            .unwrap();
        let app = AppGetOrCreateRequest {
            app_name: name.clone(),
            environment_name: "dev".to_owned(),
            object_creation_type: ObjectCreationType::CreateIfMissing.into(),
        };
        raw.app_get_or_create(app).await.unwrap();
    }
    // The newest first, apps in any order.
    names.reverse();
    let secrets = native.secrets(&dev, &cancel).await.unwrap();
    let found: Vec<&String> = secrets.iter().map(|one| &one.name).collect();
    assert_eq!(found, names.iter().collect::<Vec<_>>());
    assert_eq!(bench.modal.count("SecretList"), 2);
    let mut apps = native.apps(&dev, &cancel).await.unwrap();
    apps.sort_by(|one, other| other.name.cmp(&one.name));
    let found: Vec<&String> = apps.iter().map(|one| &one.name).collect();
    assert_eq!(found, names.iter().collect::<Vec<_>>());

    let listed = |rows: serde_json::Value, column: &str| -> Vec<String> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row[column].as_str().unwrap().to_owned())
            .collect()
    };
    let rows = bench.json("secret list --json -e dev").await;
    assert_eq!(listed(rows, "name"), names);
    let rows = bench.json("app list --json -e dev").await;
    assert_eq!(listed(rows, "description"), names);
    bench.stop().await;
}

#[tokio::test]
async fn a_fixed_reply_needs_no_container() {
    let bench = Bench::with(ModalOptions {
        environments: vec![dev()],
        reply: Some(json!({"status": "success", "cost": 0.5})),
        ..ModalOptions::default()
    })
    .await;
    // An image that nobody could pull.
    bench.deploy(&image_ref('a'), &[]).await.ok();
    let [native, _] = controls(&bench);
    let call = Call {
        environment: &dev(),
        app: "app",
        function: "smoke",
        version: Some(1),
        payload: json!({"mode": "mock"}),
        timeout: Duration::from_secs(20),
    };
    let reply = native.call(&call, &CancellationToken::new()).await.unwrap();
    let reply = reply.envelope().unwrap();
    assert_eq!(reply, json!({"status": "success", "cost": 0.5}));
    let code = "import modal; f = modal.Function.from_name('app', 'smoke', environment_name='dev'); \
                print(f.remote({})['status'])";
    assert_eq!(bench.python(code).await.ok().trim(), "success");
    bench.stop().await;
}
