//! Secrets, deploys and smokes together.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use modal_deploy::proto::generic_result::GenericStatus;
use modal_deploy::{Deployed, ErrorClass, Verdict};
use serde_json::json;
use tokio::sync::Barrier;
use tonic::Status;

use crate::plane::{Step, TOKEN_SECRET, failure};
use crate::scene::{Scene, VALUE, digest, outcomes};
use crate::shim::Shim;

#[tokio::test]
async fn everything_in_order_and_nothing_secret_in_sight() {
    let mut scene = Scene::new().await;
    scene.options.deploy.commit = Some("0123456789abcdef".repeat(2));
    let reply = json!({"status": "success", "image_digest": digest('a')});
    scene.plane.state().reply = Some(reply);
    let report = scene.good(&["a/one@1", "a/both-two@2"]).await;
    assert_eq!(report.secrets.written(), ["KEY", "SECOND"]);
    assert_eq!(report.secrets.warnings.len(), 1);
    for (app, name) in report.apps.iter().zip(["a-one-v1", "a-both-two-v2"]) {
        assert_eq!(app.app, name);
        assert_eq!((app.version, app.deployed), (Some(1), Deployed::Deployed));
        assert_eq!(app.smoke.verdict, Verdict::Passed, "{:?}", app.smoke);
        assert_eq!(app.error, None);
    }
    let pinned = scene.plane.state().pinned.clone();
    assert!(pinned.iter().all(|version| *version == 1), "{pinned:?}");

    let (arguments, environment) = scene.shim.call("a-one-v1").unwrap();
    let mut words = arguments.lines();
    assert_eq!(
        words.next().unwrap(),
        scene.shim.repository().to_str().unwrap()
    );
    let words: Vec<&str> = words.skip_while(|word| *word != "deploy").collect();
    assert_eq!(
        words,
        [
            "deploy",
            "code/modal_app.py",
            "--env",
            "dev",
            "--name",
            "a-one-v1",
            "--tag",
            "pin-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.0123456789ab"
        ]
    );
    assert!(!arguments.contains("hunter22"), "{arguments}");
    let has = |line: &str| assert!(environment.lines().any(|one| one == line), "{line}");
    has("PROCESSOR_REF=a/one@1");
    has(&format!("IMAGE_REF=ghcr.io/org/x@{}", digest('a')));
    has("TOOL_SECRETS=KEY");
    has("REGISTRY_SECRET=");
    has("MODAL_TOKEN_ID=ak-1");
    has(&format!("MODAL_TOKEN_SECRET={TOKEN_SECRET}"));
    has(&format!(
        "MODAL_SERVER_URL={}",
        scene.plane.options().server_url
    ));
    has("MODAL_ENVIRONMENT=dev");
    has("NO_COLOR=1");
    let config = environment
        .lines()
        .find_map(|line| line.strip_prefix("MODAL_CONFIG_PATH="));
    assert!(!std::path::Path::new(config.unwrap()).exists());
    // The values go to Modal and nowhere else.
    assert!(!environment.contains(VALUE));
    let stored = scene.plane.state().secrets.clone();
    assert_eq!(stored[&("dev".to_owned(), "KEY".to_owned())]["KEY"], VALUE);
    let told = serde_json::to_string(&report).unwrap();
    assert!(!told.contains("hunter22"));
}

#[tokio::test]
async fn one_that_fails_does_not_stop_the_others_and_leaks_nothing() {
    let scene = Scene::new().await;
    scene.shim.leak(VALUE);
    let report = scene
        .run("dev", &["fails/one@1", "a/two@1", "forgets/three@1"])
        .await
        .unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    let [failed, good, forgotten] = &report.apps[..] else {
        panic!("{report:?}");
    };
    let error = failed.error.as_deref().unwrap();
    assert!(
        error.starts_with("deploy `fails-one-v1` to `dev`: run `"),
        "{error}"
    );
    assert!(
        error.ends_with("exit code 1\nError: no image for token *** and key ***"),
        "{error}"
    );
    assert_eq!(failed.smoke.verdict, Verdict::Skipped);
    assert_eq!(good.deployed, Deployed::Deployed);
    assert_eq!(good.smoke.verdict, Verdict::Passed);
    assert_eq!(
        forgotten.error.as_deref(),
        Some("read back app `forgets-three-v1` of `dev`: it is not live")
    );
}

#[tokio::test]
async fn a_deploy_that_changes_nothing_is_told_apart() {
    let mut scene = Scene::new().await;
    let references = ["skips/one@1", "a/two@1"];
    let first = scene.good(&references).await;
    let deployed = (Deployed::Deployed, Some(1));
    assert_eq!(outcomes(&first), [deployed, deployed]);
    // The code changed, but nothing of it that Modal counts.
    scene.shim.edit("# a comment");
    let second = scene.good(&references).await;
    let expected = [
        (Deployed::Unchanged, Some(1)),
        (Deployed::Deployed, Some(2)),
    ];
    assert_eq!(outcomes(&second), expected);
    assert_eq!(second.apps[0].smoke.verdict, Verdict::Passed);
    // With other secrets, the old containers must go.
    scene.shim.edit("# another comment");
    scene.values = ["another value", ""];
    let third = scene.good(&references[..1]).await;
    assert_eq!(outcomes(&third), [(Deployed::RolledOver, Some(2))]);
    assert_eq!(scene.plane.count("AppRollover"), 1);
    scene.without_modal();
    let fourth = scene.good(&references[..1]).await;
    assert_eq!(outcomes(&fourth), [(Deployed::Current, Some(2))]);
}

#[tokio::test]
async fn a_smoke_that_fails_is_judged_and_redacted() {
    let scene = Scene::new().await;
    scene.plane.state().reply = Some(json!({"status": "error", "message": format!("bad {VALUE}")}));
    let report = scene.run("dev", &["a/one@1"]).await.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Smoke));
    let detail = report.apps[0].smoke.detail.as_deref();
    assert_eq!(detail, Some("the reply says status `error`: bad ***"));

    scene.plane.state().reply = None;
    let traceback = format!("File x\n  call({VALUE})");
    scene.plane.state().outputs = [failure(GenericStatus::Failure, "E()", &traceback)].into();
    let report = scene.run("dev", &["a/one@1"]).await.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Smoke));
    let detail = report.apps[0].smoke.detail.as_deref();
    assert_eq!(
        detail,
        Some("call `smoke` of app `a-one-v1`: FAILURE: E()\n| File x\n|   call(***)")
    );

    let other = digest('b');
    scene.plane.state().reply = Some(json!({"status": "success", "image_digest": other}));
    let report = scene.run("dev", &["a/one@1"]).await.unwrap();
    let detail = report.apps[0].smoke.detail.clone().unwrap();
    assert!(detail.contains("comes from image `sha256:bbbb"), "{detail}");
}

#[tokio::test]
async fn ten_smokes_run_together() {
    let scene = Scene::new().await;
    // Nobody is answered before ten ask: one after the other would never end.
    scene.plane.state().polled_together = Some(Arc::new(Barrier::new(10)));
    let references: Vec<String> = (0..10).map(|number| format!("a/p{number}@1")).collect();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let report = scene.run("dev", &references).await.unwrap();
    assert_eq!(report.class(), None, "{report:?}");
}

#[tokio::test]
async fn a_missing_environment_is_made_only_when_allowed() {
    let mut scene = Scene::new().await;
    let error = scene.run("staging", &["a/one@1"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "find environment `staging` in the Modal workspace, which has `dev`"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("modal environment create staging")
    );
    assert!(scene.plane.state().secrets.is_empty());
    assert!(scene.shim.call("a-one-v1").is_none());

    scene.options.create_environment = true;
    let report = scene.run("staging", &["a/one@1"]).await.unwrap();
    assert_eq!(report.class(), None);
    assert_eq!(scene.plane.state().environments, ["dev", "staging"]);

    // What was recorded is of the environment as it was made.
    let report = scene.run("staging", &["a/one@1"]).await.unwrap();
    assert_eq!(report.apps[0].deployed, Deployed::Current);
}

#[tokio::test]
async fn without_a_usable_command_line_nothing_is_written() {
    let mut scene = Scene::new().await;
    scene.shim.version("modal client version: 2.0.0");
    let error = scene.run("dev", &["a/one@1"]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("its version is `modal client version: 2.0.0`, expected 1.x"),
        "{error}"
    );
    scene.options.deploy.modal = Some("/nowhere/modal".into());
    let error = scene.run("dev", &["a/one@1"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "start `/nowhere/modal`, the Modal command line: no such program"
    );
    assert!(error.hint().unwrap().contains("pip install modal==1.6.4"));
    scene.options.deploy.modal = Some(scene.shim.program());
    scene.options.deploy.app_file = "code.other".to_owned();
    let error = scene.run("dev", &["a/one@1"]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Input);
    assert!(scene.plane.state().secrets.is_empty());
}

#[tokio::test]
async fn a_deploy_that_takes_too_long_is_ended() {
    let mut scene = Scene::new().await;
    scene.options.deploy.timeout = Duration::from_millis(500);
    let report = scene.run("dev", &["hangs/one@1", "a/two@1"]).await.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    let error = report.apps[0].error.as_deref().unwrap();
    assert!(error.contains("still running after 500ms"), "{error}");
    assert!(error.ends_with("building hangs-one-v1 for ever"), "{error}");
    assert_eq!(report.apps[1].smoke.verdict, Verdict::Passed);
    assert!(!Shim::runs(&scene.shim.pid().unwrap()));
}

#[tokio::test]
async fn as_many_deploys_as_allowed_go_on_at_once() {
    let mut scene = Scene::new().await;
    scene.options.deploy.at_once = NonZeroUsize::new(2).unwrap();
    let [one, two, three] = ["waits-one-v1", "waits-two-v1", "waits-three-v1"];
    let references = ["waits/one@1", "waits/two@1", "waits/three@1"];
    let waiting = async |app: &str| {
        let waits = |_: &_| scene.shim.waits(app);
        scene.plane.until(app, waits).await;
    };
    let (report, ()) = tokio::join!(scene.dev(&references), async {
        waiting(one).await;
        waiting(two).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!scene.shim.waits(three));
        scene.shim.go(one);
        waiting(three).await;
        scene.shim.go(two);
        scene.shim.go(three);
    });
    assert_eq!(report.class(), None, "{report:#?}");
}

#[tokio::test]
async fn an_interruption_ends_the_deploys_and_tells_what_is_live() {
    let mut scene = Scene::new().await;
    scene.options.deploy.at_once = NonZeroUsize::MIN;
    let references = ["a/one@1", "hangs/two@1", "a/three@1"];
    let (report, ()) = tokio::join!(scene.run("dev", &references), async {
        scene
            .plane
            .until("the deploy that hangs", |_| scene.shim.pid().is_some())
            .await;
        scene.cancel.cancel();
    });
    let report = report.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Cancelled));
    let deployed: Vec<_> = report.apps.iter().map(|app| app.deployed).collect();
    assert_eq!(
        deployed,
        [Deployed::Deployed, Deployed::Failed, Deployed::Failed]
    );
    assert!(
        report.apps[1]
            .error
            .as_deref()
            .unwrap()
            .ends_with("interrupted")
    );
    assert!(scene.shim.call("a-three-v1").is_none());
    assert_eq!(report.apps[0].smoke.verdict, Verdict::Skipped);
    assert!(!Shim::runs(&scene.shim.pid().unwrap()));
}

#[tokio::test]
async fn when_an_app_cannot_be_looked_up_nothing_is_written() {
    let scene = Scene::new().await;
    let refused = Step::Fail(Status::permission_denied("no"));
    scene.plane.script("AppGetByDeploymentName", [refused]);
    let error = scene.run("dev", &["a/one@1", "a/two@1"]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("look up app `a-one-v1` of environment `dev`: PERMISSION_DENIED"),
        "{error}"
    );
    assert!(error.hint().is_some());
    assert!(scene.shim.call("a-two-v1").is_none());
    assert!(scene.plane.state().secrets.is_empty());
}
