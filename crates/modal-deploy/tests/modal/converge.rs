//! Runs after runs: what is live is left alone, and what is not is brought there.

use std::time::Duration;

use modal_deploy::deploy::Step;
use modal_deploy::record::{self, Change};
use modal_deploy::{Deployed, ErrorClass, Verdict};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::plane::Step as Script;
use crate::scene::{Scene, digest, outcomes};

const CURRENT: (Deployed, Option<u32>) = (Deployed::Current, Some(1));

#[tokio::test]
async fn nothing_to_do_starts_no_python_and_writes_no_secret() {
    let mut scene = Scene::new().await;
    let references = ["a/one@1", "a/both-two@1"];
    scene.good(&references).await;
    let written = scene.plane.count("SecretGetOrCreate");
    let called = scene.plane.count("FunctionMap");

    scene.without_modal();
    let report = scene.good(&references).await;
    assert_eq!(outcomes(&report), [CURRENT, CURRENT]);
    assert!(report.secrets.written().is_empty());
    let app = &report.apps[0];
    assert_eq!(app.smoke.detail.as_deref(), Some("it passed before"));
    assert!(app.why.is_empty());
    let live = app.live.as_ref().unwrap();
    assert_eq!(live.version, Some(1));
    assert_eq!(live.digest, Some(digest('a').parse().unwrap()));
    assert_eq!(scene.plane.count("SecretGetOrCreate"), written);
    assert_eq!(scene.plane.count("FunctionMap"), called);
}

#[tokio::test]
async fn only_what_changed_is_done() {
    let mut scene = Scene::new().await;
    let references = ["a/one@1", "a/both-two@1"];
    scene.good(&references).await;
    assert_eq!(scene.shim.deployed().len(), 2);

    // A secret that one of them uses: that one gets new containers.
    scene.values[1] = "another second value";
    let report = scene.good(&references).await;
    assert_eq!(
        outcomes(&report),
        [CURRENT, (Deployed::RolledOver, Some(2))]
    );
    assert_eq!(report.secrets.written(), ["SECOND"]);
    assert_eq!(report.apps[1].why, ["secret `SECOND` is written"]);
    assert_eq!(report.apps[1].smoke.verdict, Verdict::Passed);
    assert!(scene.shim.deployed().is_empty());

    // The code: all of them are deployed.
    scene.shim.edit("other code");
    let report = scene.good(&references).await;
    let expected = [(Deployed::Deployed, Some(2)), (Deployed::Deployed, Some(3))];
    assert_eq!(outcomes(&report), expected);
    assert_eq!(scene.shim.deployed().len(), 2);

    // The digest, likewise.
    scene.pin = 'b';
    let report = scene.good(&references[..1]).await;
    assert_eq!(outcomes(&report), [(Deployed::Deployed, Some(3))]);
    let why = "the image changed from aaaaaaaaaaaa to bbbbbbbbbbbb";
    assert_eq!(report.apps[0].why, [why]);
    assert_eq!(report.apps[0].version_before, Some(2));
    assert_eq!(report.apps[0].image_id.as_deref(), Some("im-bbbb"));
    assert_eq!(scene.pins("a-one-v1"), "aab");

    // Somebody else's deploy is not ours.
    scene.shim.meddle("a-one-v1");
    let report = scene.good(&references[..1]).await;
    assert_eq!(outcomes(&report), [(Deployed::Deployed, Some(5))]);
    let why = "somebody else deployed version 4 after our 3";
    assert_eq!(report.apps[0].why, [why]);

    scene.options.force = true;
    scene.shim.deployed();
    let report = scene.good(&references[..1]).await;
    assert_eq!(outcomes(&report), [(Deployed::Deployed, Some(6))]);
    assert_eq!(report.secrets.written(), ["KEY"]);
    assert_eq!(scene.shim.deployed(), ["a-one-v1"]);
}

#[tokio::test]
async fn a_secret_that_became_another_one_needs_a_deploy() {
    let mut scene = Scene::new().await;
    scene.plane.state().new_ids = true;
    scene.good(&["a/one@1"]).await;
    scene.values[0] = "another value";
    let report = scene.good(&["a/one@1"]).await;
    assert_eq!(outcomes(&report), [(Deployed::Deployed, Some(2))]);
    assert_eq!(
        report.apps[0].why,
        ["secret `KEY` has another identifier now"]
    );
    assert_eq!(scene.plane.count("AppRollover"), 0);
}

#[tokio::test]
async fn what_would_be_done_is_said_and_nothing_is_changed() {
    let mut scene = Scene::new().await;
    let references = ["a/one@1", "a/both-two@1"];
    let steps = scene.decide(&references).await;
    assert!(steps.apps.iter().all(|app| app.step == Step::Deploy));
    assert!(steps.secrets.iter().all(|secret| secret.write.is_some()));
    assert!(scene.plane.state().secrets.is_empty());
    assert!(scene.shim.deployed().is_empty());

    scene.good(&references).await;
    let before = scene.plane.state().secrets.clone();
    scene.pin = 'b';
    let steps = scene.decide(&references[..1]).await;
    assert_eq!(steps.apps[0].step, Step::Deploy);
    assert_eq!(steps.secrets[0].write, None);
    assert_eq!(scene.plane.state().secrets, before);

    // An environment that does not exist yet.
    scene.options.create_environment = true;
    let (plan, secrets) = scene.plans("staging", &references);
    let control = scene.plane.control();
    let options = &scene.options;
    let steps = modal_deploy::decide(&control, &plan, &secrets, options, &scene.cancel).await;
    assert!(
        steps
            .unwrap()
            .apps
            .iter()
            .all(|app| app.step == Step::Deploy)
    );
    assert_eq!(scene.plane.state().environments, ["dev"]);
}

#[tokio::test]
async fn a_rerun_touches_only_what_failed() {
    let mut scene = Scene::new().await;
    let references = ["a/one@1", "fails/two@1", "a/three@1"];
    let report = scene.dev(&references).await;
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    assert_eq!(report.apps[1].deployed, Deployed::Failed);
    assert_eq!(report.apps[1].live, None);
    assert_eq!(scene.shim.deployed().len(), 3);

    scene.shim.behave("fails-two-v1", "works");
    let called = scene.plane.count("FunctionMap");
    let report = scene.good(&references).await;
    assert_eq!(
        outcomes(&report),
        [CURRENT, (Deployed::Deployed, Some(1)), CURRENT]
    );
    assert_eq!(scene.shim.deployed(), ["fails-two-v1"]);
    assert_eq!(scene.plane.count("FunctionMap"), called + 1);
    scene.without_modal();
    scene.good(&references).await;
}

#[tokio::test]
async fn a_smoke_that_failed_is_tried_again_without_a_deploy() {
    let mut scene = Scene::new().await;
    scene.plane.state().reply = Some(serde_json::json!({"status": "error"}));
    let report = scene.dev(&["a/one@1"]).await;
    assert_eq!(report.class(), Some(ErrorClass::Smoke));
    scene.without_modal();
    let report = scene.dev(&["a/one@1"]).await;
    assert_eq!(report.class(), Some(ErrorClass::Smoke));
    assert_eq!(report.apps[0].step, Step::Smoke);
    scene.plane.state().reply = Some(serde_json::json!({"status": "success"}));
    let report = scene.good(&["a/one@1"]).await;
    assert_eq!(report.apps[0].smoke.verdict, Verdict::Passed);
    assert_eq!(scene.good(&["a/one@1"]).await.apps[0].step, Step::Current);
}

#[tokio::test]
async fn what_one_run_left_half_done_the_next_one_finishes() {
    // Killed after Modal has published, before it could be noted.
    let mut scene = Scene::new().await;
    scene.shim.behave("a-one-v1", "stalls");
    let references = ["a/one@1"];
    {
        let run = scene.run("dev", &references);
        let published = scene.until("the deploy", || scene.shim.pid().is_some());
        tokio::select! {
            _ = run => panic!("it ended"),
            () = published => {}
        }
    }
    scene.shim.behave("a-one-v1", "skips");
    scene.shim.deployed();
    let report = scene.good(&references).await;
    // Modal has nothing to change; whether the containers have the secrets, nobody knows.
    assert_eq!(outcomes(&report), [(Deployed::RolledOver, Some(2))]);
    assert_eq!(report.apps[0].why, ["it is not known what version 1 is"]);
    scene.without_modal();
    let report = scene.good(&references).await;
    assert_eq!(outcomes(&report), [(Deployed::Current, Some(2))]);
}

#[tokio::test]
async fn where_no_record_can_be_had_everything_is_done_each_time() {
    let scene = Scene::new().await;
    scene.plane.state().tells_keys = false;
    let first = scene.good(&["a/one@1"]).await;
    assert_eq!(outcomes(&first), [(Deployed::Deployed, Some(1))]);
    let second = scene.good(&["a/one@1"]).await;
    assert_eq!(outcomes(&second), [(Deployed::Deployed, Some(2))]);
    assert_eq!(second.secrets.written(), ["KEY"]);
    let why = "it cannot be known what version 1 is";
    assert_eq!(second.apps[0].why, [why]);
}

#[tokio::test]
async fn what_a_person_holds_stays_until_it_is_let_go() {
    let mut scene = Scene::new().await;
    let references = ["a/one@1", "a/two@1"];
    scene.good(&references).await;
    hold(&scene, "a-one-v1", 'a').await;
    scene.pin = 'b';
    let report = scene.good(&references).await;
    let held = (Deployed::Held, Some(1));
    assert_eq!(outcomes(&report), [held, (Deployed::Deployed, Some(2))]);
    assert_eq!(report.apps[0].why, ["a person holds it at aaaaaaaaaaaa"]);
    assert_eq!(report.apps[0].smoke.verdict, Verdict::Skipped);
    assert_eq!(scene.pins("a-one-v1"), "a");

    scene.options.release = ["a/one@1".to_owned()].into();
    let report = scene.good(&references).await;
    assert_eq!(report.apps[0].deployed, Deployed::Deployed);
    assert_eq!(scene.pins("a-one-v1"), "ab");

    // What is held is pinned again: the hold is of no use any more.
    scene.options.release.clear();
    hold(&scene, "a-one-v1", 'b').await;
    assert_eq!(scene.good(&references).await.apps[0].step, Step::Current);
    scene.pin = 'c';
    assert_eq!(
        scene.good(&references).await.apps[0].deployed,
        Deployed::Deployed
    );
}

async fn hold(scene: &Scene, app: &str, digit: char) {
    let (control, never) = (scene.plane.control(), CancellationToken::new());
    let dev = "dev".parse().unwrap();
    let mut record = record::read(&control, &dev, &never).await.unwrap().unwrap();
    let changes = [Change::Hold(app.to_owned(), digest(digit).parse().unwrap())];
    record::write(&control, &dev, &mut record, &changes, &never)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_secret_that_cannot_be_written_stops_only_those_who_use_it() {
    let scene = Scene::new().await;
    let passes = Script::Pass;
    // The record, KEY, SECOND.
    scene.plane.script(
        "SecretGetOrCreate",
        [
            passes,
            Script::Pass,
            Script::Fail(Status::invalid_argument("no")),
        ],
    );
    let report = scene.dev(&["a/one@1", "a/both-two@1"]).await;
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    let errors = report
        .secrets
        .secrets
        .iter()
        .filter(|one| one.error.is_some());
    assert_eq!(errors.count(), 1);
    let failed: Vec<&str> = report
        .apps
        .iter()
        .filter_map(|app| app.error.as_deref())
        .collect();
    assert!(!failed.is_empty());
    for error in failed {
        assert!(error.contains("could not be written"), "{error}");
    }
    let report = scene.good(&["a/one@1", "a/both-two@1"]).await;
    assert!(report.apps.iter().all(|app| app.live.is_some()));
}

#[tokio::test]
async fn a_hundred_apps_are_looked_at_in_no_time() {
    let mut scene = Scene::new().await;
    let references: Vec<String> = (0..100).map(|number| format!("a/p{number}@1")).collect();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    scene.good(&references).await;
    scene.without_modal();
    let before = scene.plane.state().seen.len();
    scene.plane.state().latency = Duration::from_millis(50);
    let report = scene.good(&references).await;
    assert!(
        report
            .apps
            .iter()
            .all(|app| app.deployed == Deployed::Current)
    );
    let asked = scene.plane.state().seen.len() - before;
    // Each app twice, before and after; the rest does not grow with their number.
    assert!(asked <= 210, "{asked}");
}
