//! Negative probes and canaries.

use std::num::NonZeroUsize;

use modal_deploy::proto::generic_result::GenericStatus;
use modal_deploy::smoke::{CanaryBudget, Target};
use modal_deploy::{CallKind, SmokeReport, Verdict};
use registry_model::{Canary, Cost, Negative, NegativeAsk, SmokeSpec};
use serde_json::json;

use super::{Output, Scene, detail, good, lost_worker, target, within};
use crate::plane::{failure, success};

const MISSING: &str = "ERR_MISSING_SECRET";

fn probe() -> SmokeSpec {
    SmokeSpec {
        negative: Some(Negative {
            ask: NegativeAsk::Without("KEY".to_owned()),
            code: MISSING.parse().unwrap(),
            timeout_seconds: Some(1),
        }),
        ..SmokeSpec::default()
    }
}

fn cost(amount: f64) -> Cost {
    Cost::try_from(amount).unwrap()
}

fn refused() -> Output {
    success(&json!({"status": "error", "error": {"code": MISSING, "message": "no KEY"}}))
}

#[tokio::test]
async fn a_probe_passes_with_its_error_and_nothing_else() {
    let scene = Scene::new([good(), refused()]).await;
    let report = scene.one(probe()).await;
    assert_eq!(report.verdict, Verdict::Passed, "{report:?}");
    let kinds: Vec<_> = report.calls.iter().map(|call| call.kind).collect();
    assert_eq!(kinds, [CallKind::Smoke, CallKind::Negative]);
    let asked = json!({"ref": "a/one@1", "mode": "real", "without": ["KEY"]});
    assert_eq!(scene.sent()[1], asked);

    for (output, says) in [
        (
            good(),
            "negative probe: the reply says status `success`, expected the error `ERR_MISSING_SECRET`",
        ),
        (
            success(&json!("pong")),
            "negative probe: the reply is no JSON object, which it should be",
        ),
        (
            failure(GenericStatus::Failure, MISSING, ""),
            "negative probe: call `smoke` of app `a-one-v1`: FAILURE: ERR_MISSING_SECRET",
        ),
        (
            None,
            "negative probe: call `smoke` of app `a-one-v1`: no answer within 1s",
        ),
    ] {
        let scene = Scene::new([good(), output]).await;
        let report = scene.one(probe()).await;
        assert_eq!(report.verdict, Verdict::Failed);
        assert_eq!(detail(&report), says);
        assert_eq!(report.calls[0].verdict, Verdict::Passed);
    }
}

#[tokio::test]
async fn after_a_failure_nothing_real_is_called() {
    let mut scene = Scene::new([success(&json!({"status": "error"}))]).await;
    scene.options.canary = Some(CanaryBudget {
        calls: 1,
        cost: None,
    });
    let report = scene.one(probe()).await;
    assert_eq!(report.verdict, Verdict::Failed);
    let ends: Vec<_> = report.calls.iter().map(|call| call.verdict).collect();
    assert_eq!(ends, [Verdict::Failed, Verdict::Skipped, Verdict::Skipped]);
    assert_eq!(report.calls[2].detail.as_deref(), Some("the smoke failed"));
    assert_eq!(scene.sent().len(), 1);
}

/// A processor whose canary may cost so much.
fn priced(number: u32, most: Option<f64>) -> Target {
    let spec = SmokeSpec {
        canary: Some(Canary {
            max_cost: most.map(cost),
            ..Canary::default()
        }),
        ..within(20)
    };
    target(&format!("a/p{number}@1"), spec)
}

async fn canaries(
    outputs: impl IntoIterator<Item = Output>,
    budget: CanaryBudget,
    targets: &[Target],
) -> (Scene, Vec<SmokeReport>) {
    let mut scene = Scene::new(outputs).await;
    // One after the other, so that the outputs belong to whom they are meant for.
    scene.options.at_once = NonZeroUsize::MIN;
    scene.options.canary = Some(budget);
    let reports = scene.all(targets).await.into_iter();
    let reports = reports.map(|report| report.unwrap()).collect();
    (scene, reports)
}

fn costing(amount: f64) -> Output {
    success(&json!({"status": "success", "usage": {"cost": amount}}))
}

#[tokio::test]
async fn a_canary_is_one_call_in_real_mode_that_tells_its_cost() {
    let budget = CanaryBudget {
        calls: 5,
        cost: Some(cost(1.0)),
    };
    let (scene, reports) = canaries([good(), costing(0.05)], budget, &[priced(1, Some(0.1))]).await;
    assert_eq!(reports[0].verdict, Verdict::Passed, "{reports:?}");
    assert_eq!(reports[0].calls[1].cost, Some(cost(0.05)));
    assert_eq!(scene.sent()[1], json!({"ref": "a/p1@1", "mode": "real"}));
    let mut report = reports[0].clone();
    report.seconds = 0.0;
    report.calls.iter_mut().for_each(|call| call.seconds = 0.0);
    insta::assert_json_snapshot!(report, @r#"
{
  "verdict": "passed",
  "seconds": 0.0,
  "detail": null,
  "hint": null,
  "calls": [
    {
      "kind": "smoke",
      "verdict": "passed",
      "seconds": 0.0,
      "attempts": 1,
      "call-id": "fc-1",
      "version": 3,
      "cost": null,
      "detail": null
    },
    {
      "kind": "canary",
      "verdict": "passed",
      "seconds": 0.0,
      "attempts": 1,
      "call-id": "fc-1",
      "version": 3,
      "cost": 0.05,
      "detail": null
    }
  ]
}
"#);

    let (_, reports) = canaries([good(), costing(0.2)], budget, &[priced(1, Some(0.1))]).await;
    assert_eq!(reports[0].verdict, Verdict::Failed);
    assert_eq!(detail(&reports[0]), "canary: it cost 0.2, more than 0.1");

    // Whatever stands there, it is a cost or none.
    for odd in [json!("much"), json!(-1), json!(1e300), json!({})] {
        let reply = success(&json!({"status": "success", "cost": odd}));
        let (_, reports) = canaries([good(), reply], budget, &[priced(1, None)]).await;
        assert_eq!(reports[0].verdict, Verdict::Passed);
        assert_eq!(reports[0].calls[1].cost, None);
        assert_eq!(
            detail(&reports[0]),
            "canary: the reply does not tell its cost"
        );
    }
}

#[tokio::test]
async fn canaries_beyond_the_budget_are_skipped_and_say_so() {
    let budget = CanaryBudget {
        calls: 2,
        cost: Some(cost(1.0)),
    };
    let outputs = [good(), costing(0.1), good(), costing(0.1), good()];
    let targets = [priced(1, None), priced(2, None), priced(3, None)];
    let (scene, reports) = canaries(outputs, budget, &targets).await;
    assert_eq!(scene.sent().len(), 5);
    let last = &reports[2];
    assert_eq!(
        (last.verdict, last.calls[1].verdict),
        (Verdict::Passed, Verdict::Skipped)
    );
    assert_eq!(
        detail(last),
        "canary skipped: the budget of 2 canary calls is used up"
    );
}

#[tokio::test]
async fn a_canary_that_costs_too_much_is_at_the_expense_of_the_others() {
    let budget = CanaryBudget {
        calls: 3,
        cost: Some(cost(1.0)),
    };
    let outputs = [good(), costing(0.9), good(), good()];
    let targets = [priced(1, None), priced(2, Some(0.3)), priced(3, Some(0.3))];
    let (scene, reports) = canaries(outputs, budget, &targets).await;
    assert_eq!(scene.sent().len(), 4);
    assert_eq!(reports[0].verdict, Verdict::Passed);
    for report in &reports[1..] {
        assert_eq!(
            detail(report),
            "canary skipped: 0.9 of the canary budget of 1 are taken, and it needs 0.3"
        );
    }
}

#[tokio::test]
async fn a_canary_is_never_tried_again() {
    let budget = CanaryBudget {
        calls: 1,
        cost: None,
    };
    let outputs = [good()].into_iter().chain(lost_worker());
    let (scene, reports) = canaries(outputs, budget, &[priced(1, None)]).await;
    assert_eq!(reports[0].verdict, Verdict::Failed);
    assert_eq!(reports[0].calls[1].attempts, 1);
    assert_eq!(scene.sent().len(), 2);
}
