use rehearsal::modal::{ModalOptions, Token};
use serde_json::json;

use crate::support::{Bench, image_ref};

fn column(rows: &serde_json::Value, name: &str) -> Vec<serde_json::Value> {
    let rows = rows.as_array().unwrap();
    rows.iter().map(|row| row[name].clone()).collect()
}

#[tokio::test]
async fn environments_are_created_and_listed() {
    let bench = Bench::start(&["dev"]).await;
    bench.modal("environment create staging").await.ok();
    bench
        .modal("environment create staging")
        .await
        .refused(1, "exists already");
    bench.modal("environment create en-x").await.refused(1, "");
    let listed = bench.json("environment list --json").await;
    assert_eq!(column(&listed, "name"), ["dev", "staging"]);
    assert_eq!(bench.modal.environments(), ["dev", "staging"]);
    bench.stop().await;
}

#[tokio::test]
async fn secrets_live_in_one_environment_and_need_force_to_change() {
    let bench = Bench::start(&["dev", "staging"]).await;
    bench.file("one.json", r#"{"TOOL_KEY": "a", "OTHER": "b"}"#);
    bench.file("bad.json", r#"{"1KEY": "a"}"#);
    bench
        .modal("secret create FIRST --from-json one.json -e dev")
        .await
        .ok();
    bench
        .modal("secret create SECOND --from-json one.json -e dev")
        .await
        .ok();
    let again = bench
        .modal("secret create FIRST --from-json one.json -e dev")
        .await;
    again.refused(1, "exists already");
    bench
        .modal("secret create FIRST --from-json one.json -e dev --force")
        .await
        .ok();
    bench
        .modal("secret create BAD --from-json bad.json -e dev")
        .await
        .refused(1, "1KEY");
    bench
        .modal("secret create FIRST --from-json one.json -e nope")
        .await
        .refused(1, "nope");

    // The newest first; an overwrite makes nothing new.
    let listed = bench.json("secret list --json -e dev").await;
    assert_eq!(column(&listed, "name"), ["SECOND", "FIRST"]);
    assert_eq!(bench.json("secret list --json -e staging").await, json!([]));

    bench.modal("secret delete FIRST --yes -e dev").await.ok();
    bench
        .modal("secret delete FIRST --yes -e dev")
        .await
        .refused(1, "not found");
    bench
        .modal("secret delete FIRST --yes --allow-missing -e dev")
        .await
        .ok();
    let listed = bench.json("secret list --json -e dev").await;
    assert_eq!(column(&listed, "name"), ["SECOND"]);
    bench.stop().await;
}

#[tokio::test]
async fn a_deploy_that_changes_nothing_is_skipped_and_a_new_image_is_a_new_version() {
    let bench = Bench::start(&["dev", "staging"]).await;
    bench.file("s.json", r#"{"TOOL_KEY": "a"}"#);
    bench
        .modal("secret create TOOL --from-json s.json -e dev")
        .await
        .ok();
    let dev = "dev".parse().unwrap();
    assert_eq!(bench.modal.deployed(&dev, "app"), None);

    let (first, second) = (image_ref('a'), image_ref('b'));
    let secrets = [("TOOL_SECRETS", "TOOL")];
    let said = bench.deploy(&first, &secrets).await.ok();
    assert!(said.contains("App deployed"), "{said}");
    let live = bench.modal.deployed(&dev, "app").unwrap();
    assert_eq!((live.version, &live.from_image), (1, &first));
    assert_eq!(live.secrets, ["TOOL"]);
    assert!(live.functions.contains(&"smoke".to_owned()), "{live:?}");

    let said = bench.deploy(&first, &secrets).await.ok();
    assert!(said.contains("skipped: no changes"), "{said}");
    assert_eq!(bench.modal.deployed(&dev, "app").unwrap().version, 1);

    bench.deploy(&second, &secrets).await.ok();
    let live = bench.modal.deployed(&dev, "app").unwrap();
    assert_eq!((live.version, &live.from_image), (2, &second));

    let listed = bench.json("app list --json -e dev").await;
    assert_eq!(column(&listed, "description"), ["app"]);
    assert_eq!(column(&listed, "state"), ["deployed"]);
    assert_eq!(bench.json("app list --json -e staging").await, json!([]));

    let info = bench.json("function info app/smoke --json -e dev").await;
    assert_eq!(info["name"], "smoke");
    let image = info["image_info"]["image_id"].as_str().unwrap();
    assert!(image.starts_with("im-"), "{info}");

    bench.modal("app rollback app -e dev").await.ok();
    let live = bench.modal.deployed(&dev, "app").unwrap();
    assert_eq!((live.version, &live.from_image), (3, &first));
    bench
        .modal("app rollback app v9 -e dev")
        .await
        .refused(1, "no version 9");
    bench.modal("app rollover app -e dev").await.ok();
    let history = bench.json("app history app --json -e dev").await;
    assert_eq!(column(&history, "version"), ["v4", "v3", "v2", "v1"]);
    assert!(column(&history, "client").iter().all(|client| client != ""));

    bench.modal("app stop app --yes -e dev").await.ok();
    assert_eq!(bench.modal.deployed(&dev, "app"), None);
    bench.deploy(&second, &secrets).await.ok();
    assert_eq!(bench.modal.deployed(&dev, "app").unwrap().version, 1);
    bench.stop().await;
}

#[tokio::test]
async fn a_deploy_that_cannot_work_ends_with_1_and_changes_nothing() {
    let bench = Bench::start(&["dev"]).await;
    let image = image_ref('a');
    bench
        .deploy_as("nope", "app", &image, &[])
        .await
        .refused(1, "environment 'nope' not found");
    let missing = [("TOOL_SECRETS", "MISSING")];
    bench
        .deploy(&image, &missing)
        .await
        .refused(1, "secret 'MISSING' not found");
    bench
        .deploy("", &[])
        .await
        .refused(1, "is IMAGE_REF empty?");
    let layer = [("TEST_KIND", "layer")];
    bench
        .deploy(&image, &layer)
        .await
        .refused(1, "RUN echo changed");
    std::fs::write(
        bench.folder.path().join("modal_app.py"),
        "raise ValueError('my own')",
    )
    .unwrap();
    bench.deploy(&image, &[]).await.refused(1, "my own");
    assert_eq!(bench.modal.deployed(&"dev".parse().unwrap(), "app"), None);
    assert_eq!(bench.json("app list --json -e dev").await, json!([]));
    bench.stop().await;
}

#[tokio::test]
async fn a_pull_check_refuses_an_image_that_is_nowhere() {
    let bench = Bench::with(ModalOptions {
        environments: vec!["dev".parse().unwrap()],
        pull_check: true,
        ..ModalOptions::default()
    })
    .await;
    let image = image_ref('c').replace("registry.invalid", "127.0.0.1:1");
    bench
        .deploy(&image, &[])
        .await
        .refused(1, "cannot be pulled");
    bench.stop().await;
}

#[tokio::test]
async fn only_the_expected_token_is_let_in() {
    let mut bench = Bench::with(ModalOptions {
        environments: vec!["dev".parse().unwrap()],
        token: Some(Token {
            id: "ak-tests".to_owned(),
            secret: "as-tests".into(),
        }),
        ..ModalOptions::default()
    })
    .await;
    bench.modal("secret list -e dev").await.ok();
    let info = bench.modal("token info").await.ok();
    assert!(
        info.contains("ak-tests") && info.contains("rehearsal"),
        "{info}"
    );
    bench.use_secret("as-other");
    bench
        .modal("secret list -e dev")
        .await
        .refused(1, "not known");
    bench.use_secret("");
    bench
        .modal("secret list -e dev")
        .await
        .refused(1, "Token missing");
    bench.stop().await;
}
