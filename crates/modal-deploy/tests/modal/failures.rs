//! What goes wrong on the way, and what is live then.

use std::time::Duration;

use modal_deploy::deploy::Means;
use modal_deploy::{Deployed, ErrorClass, OnFailure, Verdict};
use serde_json::json;
use tonic::Status;

use crate::plane::Step;
use crate::scene::{Scene, digest, outcomes};
use crate::shim::Shim;

const ONE: &str = "a-one-v1";

/// `a` is live, `b` is wanted, and what fails goes back.
async fn with_rollback() -> Scene {
    let mut scene = Scene::new().await;
    scene.good(&["a/one@1"]).await;
    scene.pin = 'b';
    scene.options.on_failure = OnFailure::Rollback;
    scene
}

#[tokio::test]
async fn what_does_not_answer_goes_back_to_the_version_before() {
    for (native, means) in [(true, Means::Native), (false, Means::Redeploy)] {
        let scene = with_rollback().await;
        scene.plane.state().may_roll_back = native;
        scene.plane.state().reply = Some(json!({"status": "error"}));
        let report = scene.dev(&["a/one@1"]).await;
        assert_eq!(report.class(), Some(ErrorClass::Smoke));
        assert_eq!(scene.pins(ONE), "aba");
        let app = &report.apps[0];
        assert_eq!((app.deployed, app.version), (Deployed::Deployed, Some(2)));
        let rollback = app.rollback.as_ref().unwrap();
        assert_eq!(rollback.error, None);
        assert_eq!((rollback.to, rollback.version), (Some(1), Some(3)));
        assert_eq!(rollback.means, Some(means));
        assert_eq!(
            rollback.to_string(),
            "rolled back to version 1, now version 3"
        );
        let live = app.live.as_ref().unwrap();
        let before = Some(digest('a').parse().unwrap());
        assert_eq!((live.version, &live.digest), (Some(3), &before));

        // The next run tries again; back at the earlier pin, there is only the smoke to do.
        scene.plane.state().reply = Some(json!({"status": "success"}));
        let mut scene = scene;
        scene.pin = 'a';
        scene.without_modal();
        let report = scene.good(&["a/one@1"]).await;
        assert_eq!(report.apps[0].smoke.verdict, Verdict::Passed);
        assert_eq!(outcomes(&report), [(Deployed::Current, Some(3))]);
    }
}

#[tokio::test]
async fn without_being_asked_what_failed_stays() {
    let mut scene = with_rollback().await;
    scene.options.on_failure = OnFailure::Keep;
    scene.plane.state().reply = Some(json!({"status": "error"}));
    let report = scene.dev(&["a/one@1"]).await;
    assert_eq!(report.class(), Some(ErrorClass::Smoke));
    assert_eq!(scene.pins(ONE), "ab");
    assert_eq!(report.apps[0].rollback, None);
}

#[tokio::test]
async fn where_there_is_nothing_to_go_back_to_that_is_said() {
    let mut scene = Scene::new().await;
    scene.options.on_failure = OnFailure::Rollback;
    scene.plane.state().reply = Some(json!({"status": "error"}));
    let report = scene.dev(&["a/one@1"]).await;
    let rollback = report.apps[0].rollback.as_ref().unwrap();
    let error = rollback.error.as_deref().unwrap();
    assert!(
        error.ends_with("no version before this one to go back to"),
        "{error}"
    );

    // A build that failed left the version before where it was.
    let scene = with_rollback().await;
    scene.shim.behave(ONE, "fails");
    let report = scene.dev(&["a/one@1"]).await;
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    assert_eq!(report.apps[0].rollback, None);
    assert_eq!(report.apps[0].live.as_ref().unwrap().version, Some(1));
    assert_eq!(scene.pins(ONE), "a");

    // What was there before is somebody else's, and Modal does not give it back.
    let scene = with_rollback().await;
    scene.plane.state().may_roll_back = false;
    scene.plane.state().reply = Some(json!({"status": "error"}));
    scene.shim.meddle(ONE);
    let report = scene.dev(&["a/one@1"]).await;
    let rollback = report.apps[0].rollback.as_ref().unwrap();
    let error = rollback.error.as_deref().unwrap();
    assert!(
        error.contains("does not allow a rollback to version 2"),
        "{error}"
    );
    assert_eq!(scene.pins(ONE), "a0b");
}

#[tokio::test]
async fn a_deploy_that_published_before_it_hung_goes_back_too() {
    let mut scene = with_rollback().await;
    scene.options.deploy.timeout = Duration::from_millis(500);
    scene.shim.behave(ONE, "stalls");
    let report = scene.dev(&["a/one@1"]).await;
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    assert_eq!(scene.pins(ONE), "aba");
    assert!(!Shim::runs(&scene.shim.pid().unwrap()));
}

#[tokio::test]
async fn what_is_read_back_must_be_what_was_deployed() {
    let mut scene = Scene::new().await;
    let report = scene.dev(&["retags/one@1"]).await;
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    let app = &report.apps[0];
    let expected = "read back app `retags-one-v1` of `dev`: version 1 is tagged `manual`, pinned \
                    is aaaaaaaaaaaa";
    assert_eq!(app.error.as_deref(), Some(expected));
    assert_eq!(app.smoke.verdict, Verdict::Skipped);

    // Another digest, and yet the same image.
    scene.good(&["a/one@1"]).await;
    scene.pin = 'b';
    scene.shim.behave(ONE, "ignores");
    let report = scene.dev(&["a/one@1"]).await;
    let app = &report.apps[0];
    let expected = "read back app `a-one-v1` of `dev`: its image is still im-aaaa, although the \
                    digest changed";
    assert_eq!(app.error.as_deref(), Some(expected));
    assert!(app.hint.as_deref().unwrap().contains("IMAGE_REF"));
    // Nothing was noted, so the next run deploys it.
    scene.shim.behave(ONE, "works");
    scene.good(&["a/one@1"]).await;

    // Modal finds nothing to change, although the pin did.
    let mut scene = Scene::new().await;
    scene.good(&["a/one@1"]).await;
    scene.pin = 'b';
    scene.shim.behave(ONE, "forgets");
    let report = scene.dev(&["a/one@1"]).await;
    let error = report.apps[0].error.clone().unwrap();
    assert!(error.contains("version 1 is tagged `pin-aaaa"), "{error}");
}

#[tokio::test]
async fn an_environment_that_is_deleted_midway_is_an_error_for_the_rest() {
    let mut scene = Scene::new().await;
    scene.options.deploy.at_once = std::num::NonZeroUsize::MIN;
    scene.shim.behave("a-two-v1", "waits");
    let references = ["a/one@1", "a/two@1", "a/three@1"];
    let (report, ()) = tokio::join!(scene.dev(&references), async {
        let waits = || scene.shim.waits("a-two-v1");
        scene.until("the second deploy", waits).await;
        let gone = || Step::Fail(Status::not_found("environment 'dev' not found"));
        for rpc in [
            "AppGetByDeploymentName",
            "SecretList",
            "SecretUpdate",
            "SecretGetOrCreate",
        ] {
            scene.plane.script(rpc, (0..20).map(|_| gone()));
        }
        scene.shim.go("a-two-v1");
    });
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    let ended: Vec<Deployed> = report.apps.iter().map(|app| app.deployed).collect();
    assert_eq!(
        ended,
        [Deployed::Deployed, Deployed::Failed, Deployed::Failed]
    );
    for app in &report.apps[1..] {
        let error = app.error.as_deref().unwrap();
        assert!(error.contains("environment 'dev' not found"), "{error}");
    }
    // Nobody can tell what runs now.
    for app in &report.apps {
        let live = app.live.as_ref().unwrap();
        assert_eq!((live.version, &live.digest), (None, &None));
    }
}

#[tokio::test]
async fn an_interruption_while_secrets_are_written_ends_it_there() {
    let scene = Scene::new().await;
    // The record, and then the first secret.
    scene.plane.script(
        "SecretGetOrCreate",
        [Step::Pass, Step::Hang, Step::Hang, Step::Hang],
    );
    let (report, ()) = tokio::join!(scene.dev(&["a/one@1"]), async {
        let hangs = || scene.plane.count("SecretGetOrCreate") > 1;
        scene.until("the write of a secret", hangs).await;
        scene.cancel.cancel();
    });
    assert_eq!(report.class(), Some(ErrorClass::Cancelled));
    assert!(report.secrets.interrupted);
    assert!(scene.shim.deployed().is_empty());
    assert_eq!(report.apps[0].deployed, Deployed::Failed);
}

#[tokio::test]
async fn an_interruption_during_the_smoke_is_told_with_what_is_live() {
    let scene = Scene::new().await;
    scene.plane.state().reply = None;
    let (report, ()) = tokio::join!(scene.dev(&["a/one@1"]), async {
        let called = || scene.plane.count("FunctionGetOutputs") > 0;
        scene.until("the call", called).await;
        scene.cancel.cancel();
    });
    assert_eq!(report.class(), Some(ErrorClass::Cancelled));
    let app = &report.apps[0];
    assert_eq!((app.deployed, app.version), (Deployed::Deployed, Some(1)));
    assert_eq!(app.smoke.verdict, Verdict::Skipped);
    assert_eq!(app.live.as_ref().unwrap().version, Some(1));
    assert_eq!(scene.plane.state().cancelled, ["fc-1"]);
}

#[tokio::test]
async fn an_interruption_after_modal_has_published_is_told_as_it_is() {
    let mut scene = Scene::new().await;
    scene.good(&["a/one@1"]).await;
    scene.pin = 'b';
    scene.shim.behave(ONE, "stalls");
    let (report, ()) = tokio::join!(scene.dev(&["a/one@1"]), async {
        let published = || scene.shim.pid().is_some();
        scene.until("the deploy", published).await;
        scene.cancel.cancel();
    });
    assert_eq!(report.class(), Some(ErrorClass::Cancelled));
    let app = &report.apps[0];
    assert_eq!(
        (app.deployed, app.version_before),
        (Deployed::Failed, Some(1))
    );
    let live = app.live.as_ref().unwrap();
    assert_eq!((live.version, &live.digest), (Some(2), &None));
    assert!(!Shim::runs(&scene.shim.pid().unwrap()));
}

#[tokio::test]
async fn every_deploy_has_a_log_of_its_own() {
    let mut scene = Scene::new().await;
    let logs = scene.shim.repository().join("logs/of/this/run");
    scene.options.deploy.logs = Some(logs.clone());
    let report = scene.dev(&["fails/one@1", "a/two@1"]).await;
    let log = report.apps[0].log.clone().unwrap();
    assert_eq!(log, logs.join("fails-one-v1.log"));
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("building fails-one-v1\n"), "{text}");
    assert!(text.contains("no image for token ***"), "{text}");
    assert_eq!(
        std::fs::read_to_string(logs.join("a-two-v1.log")).unwrap(),
        ""
    );
    // The next run's log does not begin with this one's.
    scene.dev(&["fails/one@1"]).await;
    let again = std::fs::read_to_string(&log).unwrap();
    assert_eq!(again.matches("building").count(), 1);

    scene.options.deploy.logs = Some(scene.shim.program());
    let error = scene.run("dev", &["fails/one@1"]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Input);
    assert!(
        error.to_string().starts_with("read the folder of logs: "),
        "{error}"
    );
}
