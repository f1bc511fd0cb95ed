//! Smokes, and every way in which they end.

mod hostile;
mod real;

use std::sync::Arc;
use std::time::Duration;

use modal_deploy::proto::generic_result::GenericStatus;
use modal_deploy::proto::{DataFormat, GenericResult};
use modal_deploy::smoke::{SmokeOptions, Target, run};
use modal_deploy::{CallKind, ModalError, SmokeReport, Verdict};
use process::Redactor;
use registry_model::{ProcessorRef, SmokeSpec};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::plane::{Plane, Step, failure, success};

const SECRET: &str = "sk-value-hunter22";

fn digest(pair: &str) -> String {
    format!("sha256:{}", pair.repeat(32))
}

fn target(reference: &str, smoke: SmokeSpec) -> Target {
    let reference: ProcessorRef = reference.parse().unwrap();
    Target {
        app: reference.app_name(),
        reference,
        image: format!("ghcr.io/org/x@{}", digest("ab")).parse().unwrap(),
        version: Some(3),
        smoke: Some(smoke),
    }
}

fn within(seconds: u64) -> SmokeSpec {
    SmokeSpec {
        timeout_seconds: Some(seconds),
        ..SmokeSpec::default()
    }
}

type Output = Option<(DataFormat, GenericResult)>;

struct Scene {
    plane: Plane,
    options: SmokeOptions,
    cancel: CancellationToken,
}

impl Scene {
    async fn new(outputs: impl IntoIterator<Item = Output>) -> Self {
        let plane = Plane::start().await;
        plane.state().outputs = outputs.into_iter().collect();
        Self {
            plane,
            options: SmokeOptions::default(),
            cancel: CancellationToken::new(),
        }
    }

    async fn all(&self, targets: &[Target]) -> Vec<Result<SmokeReport, ModalError>> {
        let mut redactor = Redactor::new();
        redactor.add(&SecretString::from(SECRET));
        let control = self.plane.control();
        let environment = "dev".parse().unwrap();
        run(
            &control,
            &environment,
            targets,
            &self.options,
            &redactor,
            &self.cancel,
        )
        .await
    }

    async fn one(&self, smoke: SmokeSpec) -> SmokeReport {
        let report = self.all(&[target("a/one@1", smoke)]).await.remove(0);
        report.unwrap()
    }

    /// The arguments of the calls that were made.
    fn sent(&self) -> Vec<Value> {
        let state = self.plane.state();
        let sent = state.arguments.iter();
        sent.map(|value| value.deserialized::<Value>().unwrap()[0][0].clone())
            .collect()
    }
}

fn detail(report: &SmokeReport) -> &str {
    report.detail.as_deref().unwrap()
}

fn good() -> Output {
    success(&json!({"status": "success", "image_digest": digest("ab")}))
}

/// What the client does not get over by itself: it tries an input nine times.
fn lost_worker() -> impl Iterator<Item = Output> {
    (0..9).map(|_| failure(GenericStatus::InternalFailure, "lost worker", ""))
}

#[tokio::test]
async fn a_pass_tells_who_answered() {
    let scene = Scene::new([good()]).await;
    let report = scene.one(SmokeSpec::default()).await;
    assert_eq!(report.verdict, Verdict::Passed);
    assert_eq!((report.detail, report.hint), (None, None));
    let [call] = &report.calls[..] else {
        panic!("{:?}", report.calls);
    };
    assert_eq!((call.kind, call.attempts), (CallKind::Smoke, 1));
    assert_eq!(call.call_id.as_deref(), Some("fc-1"));
    assert_eq!((call.version, call.cost), (Some(3), None));
    assert_eq!(scene.plane.state().pinned, [3]);
    assert_eq!(scene.sent(), [json!({"ref": "a/one@1", "mode": "mock"})]);
}

#[tokio::test]
async fn what_an_entry_declares_is_sent_and_expected() {
    let expect = || serde_json::from_value(json!({"/pages": 3})).ok();
    let spec = || SmokeSpec {
        payload: Some(json!({"sample": [1, 2.5, null]})),
        expect: expect(),
        ..SmokeSpec::default()
    };
    let scene = Scene::new([success(&json!({"pages": 3}))]).await;
    assert_eq!(scene.one(spec()).await.verdict, Verdict::Passed);
    let sent = json!({"ref": "a/one@1", "sample": [1, 2.5, null]});
    assert_eq!(scene.sent(), [sent]);

    let scene = Scene::new([success(&json!({"pages": 2, "status": "success"}))]).await;
    let report = scene.one(spec()).await;
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(
        detail(&report),
        "the reply has `2` at `/pages`, expected `3`"
    );
}

#[tokio::test]
async fn a_cold_start_of_the_machinery_is_tried_again() {
    let scene = Scene::new(lost_worker().chain([good()])).await;
    let report = scene.one(SmokeSpec::default()).await;
    assert_eq!(report.verdict, Verdict::Passed, "{report:?}");
    assert_eq!(report.calls[0].attempts, 2);
    assert_eq!(scene.sent().len(), 2);

    let scene = Scene::new([good()]).await;
    let unavailable = || Step::Fail(Status::unavailable("starting"));
    scene
        .plane
        .script("FunctionGet", (0..4).map(|_| unavailable()));
    let report = scene.one(SmokeSpec::default()).await;
    assert_eq!(report.verdict, Verdict::Passed, "{report:?}");
    assert_eq!(report.calls[0].attempts, 2);
}

#[tokio::test]
async fn all_attempts_share_one_deadline() {
    let scene = Scene::new([]).await;
    let unavailable = || Step::Fail(Status::unavailable("down"));
    scene
        .plane
        .script("FunctionMap", (0..100).map(|_| unavailable()));
    let started = Instant::now();
    let report = scene.one(within(3)).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(report.verdict, Verdict::Failed);
    assert!(report.calls[0].attempts > 1, "{report:?}");
    assert!(detail(&report).starts_with("after "), "{report:?}");
}

#[tokio::test]
async fn a_call_that_is_never_answered_ends_and_is_cancelled_at_modal() {
    let scene = Scene::new([]).await;
    let report = scene.one(within(1)).await;
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(
        detail(&report),
        "call `smoke` of app `a-one-v1`: no answer within 1s"
    );
    assert_eq!(report.calls[0].attempts, 1);
    assert_eq!(scene.plane.state().cancelled, ["fc-1"]);
}

#[tokio::test]
async fn a_container_that_does_not_start_is_final_and_shows_its_exit_code() {
    let (format, mut result) =
        failure(GenericStatus::InitFailure, "KeyError('PROCESSOR_REF')", "").unwrap();
    result.exitcode = 137;
    let scene = Scene::new([Some((format, result))]).await;
    let report = scene.one(SmokeSpec::default()).await;
    assert_eq!(
        detail(&report),
        "call `smoke` of app `a-one-v1`: INIT_FAILURE (container exit code 137): \
         KeyError('PROCESSOR_REF')"
    );
    assert!(report.hint.unwrap().contains("modal.is_local()"));
    assert_eq!(report.calls[0].attempts, 1);
    assert_eq!(report.calls[0].call_id.as_deref(), Some("fc-1"));
}

#[tokio::test]
async fn what_the_function_did_is_final_and_shows_the_end_of_its_traceback() {
    let frames: String = (0..200).map(|n| format!("  File \"f{n}.py\"\n")).collect();
    let traceback = format!("Traceback (most recent call last):\n{frames}ValueError: no\n");
    for status in [GenericStatus::Failure, GenericStatus::Timeout] {
        let scene = Scene::new([failure(status, "ValueError('no')", &traceback)]).await;
        let report = scene.one(SmokeSpec::default()).await;
        assert_eq!(
            (report.verdict, report.calls[0].attempts),
            (Verdict::Failed, 1)
        );
        let lines: Vec<&str> = detail(&report).lines().collect();
        assert!(lines[0].ends_with("ValueError('no')"), "{lines:?}");
        assert!(
            lines.len() <= 14 && lines.ends_with(&["|   File \"f199.py\"", "| ValueError: no"])
        );
    }
}

#[tokio::test]
async fn another_image_at_the_pinned_version_is_final() {
    let old = success(&json!({"status": "success", "image_digest": digest("cd")}));
    let scene = Scene::new([old, good()]).await;
    let report = scene.one(SmokeSpec::default()).await;
    assert_eq!(
        (report.verdict, report.calls[0].attempts),
        (Verdict::Failed, 1)
    );
    let expected = format!(
        "the reply comes from image `{}`, pinned is `{}`",
        digest("cd"),
        digest("ab")
    );
    assert_eq!(detail(&report), expected);
}

#[tokio::test]
async fn an_old_container_answers_only_for_a_while_where_nothing_is_pinned() {
    let unpinned = |scene: &Scene| {
        let refusals = (0..20).map(|_| Step::Fail(Status::failed_precondition("not on your plan")));
        let mut steps = Vec::new();
        for refusal in refusals {
            steps.extend([refusal, Step::Pass]);
        }
        scene.plane.script("FunctionGet", steps);
    };
    let old = || success(&json!({"status": "error", "digest": digest("cd")}));
    let scene = Scene::new([old(), good()]).await;
    unpinned(&scene);
    let report = scene.one(SmokeSpec::default()).await;
    assert_eq!(
        (report.verdict, report.calls[0].attempts),
        (Verdict::Passed, 2)
    );
    assert_eq!(report.calls[0].version, None);
    assert_eq!(
        detail(&report),
        "Modal did not let us pin the version that answers"
    );

    let scene = Scene::new((0..10).map(|_| old())).await;
    unpinned(&scene);
    let report = scene.one(within(2)).await;
    assert_eq!(report.verdict, Verdict::Failed);
    let told = detail(&report);
    assert!(
        told.contains("attempts: the reply comes from image `sha256:cdcd"),
        "{told}"
    );
}

#[tokio::test]
async fn an_unknown_version_is_remarked_upon() {
    let scene = Scene::new([success(&json!("pong"))]).await;
    let mut unknown = target("a/one@1", SmokeSpec::default());
    unknown.version = None;
    let report = scene.all(&[unknown]).await.remove(0).unwrap();
    assert_eq!(report.verdict, Verdict::Passed);
    assert_eq!(
        detail(&report),
        "it is not known which version should answer"
    );
    assert_eq!(scene.plane.state().pinned, [0]);
}

#[tokio::test]
async fn an_interruption_cancels_the_call_or_ends_the_pause() {
    let polling = |state: &crate::plane::State| {
        state
            .seen
            .iter()
            .any(|seen| seen.rpc == "FunctionGetOutputs")
    };
    let scene = Scene::new([]).await;
    let targets = [target("a/one@1", SmokeSpec::default())];
    let (reports, ()) = tokio::join!(scene.all(&targets), async {
        scene.plane.until("a poll", polling).await;
        scene.cancel.cancel();
    });
    assert!(reports[0].as_ref().unwrap_err().is_cancelled());
    assert_eq!(scene.plane.state().cancelled, ["fc-1"]);

    let scene = Scene::new([]).await;
    let unavailable = || Step::Fail(Status::unavailable("down"));
    scene
        .plane
        .script("FunctionGet", (0..100).map(|_| unavailable()));
    let (reports, ()) = tokio::join!(scene.all(&targets), async {
        // Eight requests are two attempts; a pause of a second follows.
        let paused = |state: &crate::plane::State| {
            let gets = state.seen.iter().filter(|seen| seen.rpc == "FunctionGet");
            gets.count() == 8
        };
        scene.plane.until("two attempts", paused).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.cancel.cancel();
    });
    assert!(reports[0].as_ref().unwrap_err().is_cancelled());
    assert_eq!(scene.plane.count("FunctionGet"), 8);
}

#[tokio::test]
async fn ten_are_called_at_once_and_each_is_answered_for_itself() {
    let scene = Scene::new([]).await;
    // Nobody is answered before ten ask: one after the other would never end.
    scene.plane.state().polled_together = Some(Arc::new(Barrier::new(10)));
    scene.plane.state().reply = Some(json!({"status": "success"}));
    let targets: Vec<Target> = (0..20)
        .map(|number| {
            let expect = serde_json::from_value(json!({format!("/p{number}"): true}));
            let spec = SmokeSpec {
                expect: Some(expect.unwrap()),
                ..within(60)
            };
            target(&format!("a/p{number}@1"), spec)
        })
        .collect();
    let reports = scene.all(&targets).await;
    for (number, report) in reports.into_iter().enumerate() {
        let expected = format!("the reply has nothing at `/p{number}`, expected `true`");
        assert_eq!(detail(&report.unwrap()), expected);
    }
}
