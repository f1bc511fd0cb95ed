//! Ctrl-C at each request: whatever is being done ends there, and the next run finishes it.

use std::time::Duration;

use futures_util::future::join_all;
use modal_deploy::audit::{Pins, audit};
use modal_deploy::deploy::{OnFailure, Step as Due};
use modal_deploy::proto::AppState;
use modal_deploy::proto::app_list_response::AppListItem;
use modal_deploy::{Deployed, ErrorClass, ModalError, rollback};
use registry_model::{Digest, SecretNames};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::plane::Step;
use crate::scene::{Scene, digest};

const REFERENCES: [&str; 2] = ["a/one@1", "a/both-two@1"];
const ONE: &str = "a-one-v1";

/// What a deploy, an audit or a rollback asks of Modal.
const ASKED: [&str; 12] = [
    "EnvironmentList",
    "SecretList",
    "SecretGetOrCreate",
    "SecretUpdate",
    "AppGetByDeploymentName",
    "AppList",
    "AppDeploymentHistory",
    "AppRollback",
    "AppRollover",
    "FunctionGet",
    "FunctionMap",
    "FunctionGetOutputs",
];

/// Interrupts `work` while request `number` of this kind is not answered. `None` when it ends
/// without that many.
async fn interrupted<T>(
    scene: &Scene,
    rpc: &'static str,
    number: usize,
    work: impl Future<Output = T>,
) -> Option<T> {
    let before = scene.plane.count(rpc);
    let answered = (0..number).map(|_| Step::Pass);
    scene.plane.script(rpc, answered.chain([Step::Hang]));
    // It holds a lot.
    let mut work = Box::pin(work);
    let reached = async {
        while scene.plane.count(rpc) <= before + number {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        biased;
        _ = &mut work => None,
        () = reached => {
            scene.cancel.cancel();
            let ended = tokio::time::timeout(Duration::from_secs(60), work).await;
            Some(ended.unwrap_or_else(|_| panic!("{rpc} {number} goes on")))
        }
    }
}

/// What a run finds, which is then interrupted.
#[derive(Clone, Copy, Debug)]
enum Given {
    Nothing,
    NewPin,
    NewValue,
    NewPinThatDoesNotAnswer,
}

async fn given(what: Given) -> Scene {
    let mut scene = Scene::new().await;
    if !matches!(what, Given::Nothing) {
        scene.good(&REFERENCES).await;
    }
    match what {
        Given::Nothing => {}
        Given::NewPin => scene.pin = 'b',
        Given::NewValue => scene.values[0] = "another-value",
        Given::NewPinThatDoesNotAnswer => {
            scene.pin = 'b';
            scene.options.on_failure = OnFailure::Rollback;
            scene.plane.state().reply = Some(json!({"status": "error"}));
        }
    }
    scene
}

/// Interrupts a run at each of its requests of this kind, and returns how many there are.
async fn each_request(what: Given, rpc: &'static str) -> usize {
    for number in 0.. {
        let mut scene = Box::pin(given(what)).await;
        let versions = scene.pins(ONE).len();
        let run = scene.run("dev", &REFERENCES);
        let Some(ended) = interrupted(&scene, rpc, number, run).await else {
            return number;
        };
        let at = format!("{what:?}, {rpc} {number}");
        match ended {
            Ok(report) => {
                assert_eq!(
                    report.class(),
                    Some(ErrorClass::Cancelled),
                    "{at}: {report:#?}"
                );
                // What the report says of the end is so.
                let live = report.apps[0].live.as_ref().and_then(|live| live.version);
                let there = Some(scene.pins(ONE).len()).filter(|number| *number > 0);
                assert_eq!(live.map(|version| version as usize), there, "{at}");
            }
            Err(error) => {
                assert!(error.is_cancelled(), "{at}: {error}");
                assert_eq!(scene.pins(ONE).len(), versions, "{at}");
            }
        }
        scene.plane.state().script.clear();
        scene.plane.state().reply = Some(json!({"status": "success"}));
        scene.cancel = CancellationToken::new();
        Box::pin(scene.good(&REFERENCES)).await;
        assert_eq!(scene.pins(ONE).chars().last(), Some(scene.pin), "{at}");
        let steps = Box::pin(scene.decide(&REFERENCES)).await;
        assert!(
            steps.apps.iter().all(|app| app.step == Due::Current),
            "{at}: {steps:#?}"
        );
    }
    0
}

async fn every_request(what: Given) -> usize {
    let counts = ASKED.map(|rpc| Box::pin(each_request(what, rpc)));
    join_all(counts).await.into_iter().sum()
}

#[tokio::test]
async fn a_first_run_may_be_interrupted_anywhere() {
    let requests = every_request(Given::Nothing).await;
    assert!(requests > 20, "{requests}");
}

#[tokio::test]
async fn a_run_with_another_pin_may_be_interrupted_anywhere() {
    let requests = every_request(Given::NewPin).await;
    assert!(requests > 20, "{requests}");
}

#[tokio::test]
async fn a_run_that_rolls_over_may_be_interrupted_anywhere() {
    let requests = every_request(Given::NewValue).await;
    assert!(requests > 15, "{requests}");
}

#[tokio::test]
async fn a_run_that_goes_back_may_be_interrupted_anywhere() {
    let requests = every_request(Given::NewPinThatDoesNotAnswer).await;
    assert!(requests > 25, "{requests}");
}

#[tokio::test]
async fn a_run_whose_registry_does_not_answer_can_be_interrupted() {
    let mut scene = Scene::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = silent.local_addr().unwrap();
    let client = oci::Client::new(oci::ClientOptions::default()).unwrap();
    scene.options.registry = Some(client.into());
    let (mut plan, secrets) = scene.plans("dev", &REFERENCES[..1]);
    plan.apps[0].image = format!("{host}/x@{}", digest('a')).parse().unwrap();
    let control = scene.plane.control();
    let run = modal_deploy::run(&control, &plan, &secrets, &scene.options, &scene.cancel);
    let (ended, _asked) = tokio::join!(run, async {
        let asked = silent.accept().await.unwrap();
        scene.cancel.cancel();
        asked
    });
    let error = ended.unwrap_err();
    assert_eq!(
        error.to_string(),
        "look up the images for `dev`: interrupted"
    );
    assert_eq!(scene.plane.count("SecretGetOrCreate"), 0);
}

/// Interrupts an audit at each of its requests of this kind, and returns how many there are.
async fn each_of_an_audit(rpc: &'static str) -> usize {
    for number in 0.. {
        let scene = Box::pin(given(Given::NewPin)).await;
        scene.shim.meddle(ONE);
        scene.plane.state().apps = vec![AppListItem {
            app_id: format!("ap-{ONE}"),
            description: ONE.to_owned(),
            name: ONE.to_owned(),
            state: AppState::Deployed.into(),
            ..AppListItem::default()
        }];
        let (control, shared) = (scene.plane.control(), SecretNames::default());
        let pins = [Pins {
            environment: "dev".parse().unwrap(),
            processors: Vec::new(),
        }];
        let work = audit(&control, &pins, &shared, &scene.cancel);
        let Some(ended) = interrupted(&scene, rpc, number, work).await else {
            return number;
        };
        assert!(ended.unwrap_err().is_cancelled(), "{rpc} {number}");
    }
    0
}

#[tokio::test]
async fn an_audit_may_be_interrupted_anywhere() {
    let counts = ASKED.map(|rpc| Box::pin(each_of_an_audit(rpc)));
    let requests: usize = join_all(counts).await.into_iter().sum();
    assert_eq!(requests, 6);
}

/// Holds an app at what was live before, and lets Modal go back to it.
async fn go_back(scene: &Scene) -> Result<Option<u32>, ModalError> {
    let (control, cancel) = (scene.plane.control(), &scene.cancel);
    let (dev, earlier): (_, Digest) = ("dev".parse().unwrap(), digest('a').parse().unwrap());
    rollback::look(&control, &dev, ONE, cancel).await?;
    rollback::hold(&control, &dev, ONE, &earlier, cancel).await?;
    rollback::native(&control, &dev, ONE, 1, cancel).await
}

/// The same for such a rollback.
async fn each_of_a_rollback(rpc: &'static str) -> usize {
    for number in 0.. {
        let mut scene = Box::pin(given(Given::NewPin)).await;
        Box::pin(scene.good(&REFERENCES)).await;
        let Some(ended) = interrupted(&scene, rpc, number, go_back(&scene)).await else {
            return number;
        };
        let at = format!("{rpc} {number}");
        assert!(ended.unwrap_err().is_cancelled(), "{at}");
        // Once more, and then automation leaves it alone.
        scene.plane.state().script.clear();
        scene.cancel = CancellationToken::new();
        go_back(&scene).await.unwrap();
        let report = Box::pin(scene.good(&REFERENCES)).await;
        assert_eq!(report.apps[0].deployed, Deployed::Held, "{at}");
        assert_eq!(scene.pins(ONE).chars().last(), Some('a'), "{at}");
    }
    0
}

#[tokio::test]
async fn a_rollback_may_be_interrupted_anywhere() {
    let counts = ASKED.map(|rpc| Box::pin(each_of_a_rollback(rpc)));
    let requests: usize = join_all(counts).await.into_iter().sum();
    assert!(requests >= 6, "{requests}");
}
