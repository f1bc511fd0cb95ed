use registry_model::ErrorCode;

use super::*;

fn target(reference: &str, smoke: Option<SmokeSpec>) -> Target {
    let reference: ProcessorRef = reference.parse().unwrap();
    Target {
        app: reference.app_name(),
        reference,
        image: format!("ghcr.io/org/x@sha256:{}", "a".repeat(64))
            .parse()
            .unwrap(),
        version: Some(1),
        smoke,
    }
}

fn cost(amount: f64) -> Cost {
    Cost::try_from(amount).unwrap()
}

fn only(target: Target, options: &SmokeOptions) -> Vec<PlannedCall> {
    plan(&[target], options).remove(0).calls
}

#[test]
fn without_a_word_the_mock_mode_of_smoke_is_called() {
    let calls = only(target("llm/litellm@1", None), &SmokeOptions::default());
    assert_eq!(
        calls,
        [PlannedCall {
            kind: CallKind::Smoke,
            function: "smoke".to_owned(),
            payload: json!({"ref": "llm/litellm@1", "mode": "mock"}),
            timeout: Duration::from_secs(300),
            rule: Rule::Succeeds,
            price: None,
            skip: None,
        }]
    );
    let sent = calls[0].payload.to_string();
    assert_eq!(sent, r#"{"ref":"llm/litellm@1","mode":"mock"}"#);
}

#[test]
fn the_entry_wins_over_the_repository() {
    let expect = |value| serde_json::from_value::<Expect>(value).unwrap();
    let options = SmokeOptions {
        function: Some("ping".parse().unwrap()),
        payload: Some(json!({"mode": "mock", "sample": 1})),
        expect: Some(expect(json!({"status": "ok"}))),
        timeout: Duration::from_secs(60),
        ..SmokeOptions::default()
    };
    let general = only(target("a/b@1", None), &options).remove(0);
    assert_eq!(general.function, "ping");
    assert_eq!(
        general.payload,
        json!({"ref": "a/b@1", "mode": "mock", "sample": 1})
    );
    assert_eq!(general.rule, Rule::Has(expect(json!({"/status": "ok"}))));
    assert_eq!(general.timeout, Duration::from_secs(60));

    let spec = SmokeSpec {
        function: Some("check".parse().unwrap()),
        payload: Some(json!({"ref": "other"})),
        expect: Some(expect(json!({"/ok": true}))),
        timeout_seconds: Some(5),
        ..SmokeSpec::default()
    };
    let own = only(target("a/b@1", Some(spec)), &options).remove(0);
    assert_eq!(own.function, "check");
    assert_eq!(own.payload, json!({"ref": "other"}));
    assert_eq!(own.rule, Rule::Has(expect(json!({"/ok": true}))));
    assert_eq!(own.timeout, Duration::from_secs(5));

    let spec = SmokeSpec {
        payload: Some(json!(["as", "it", "stands"])),
        ..SmokeSpec::default()
    };
    let list = only(target("a/b@1", Some(spec)), &options).remove(0);
    assert_eq!(list.payload, json!(["as", "it", "stands"]));
}

#[test]
fn a_probe_is_the_smoke_in_real_mode_with_an_error_to_expect() {
    let code: ErrorCode = "ERR_MISSING_SECRET".parse().unwrap();
    let spec = |ask, timeout_seconds| SmokeSpec {
        function: Some("check".parse().unwrap()),
        timeout_seconds: Some(90),
        negative: Some(Negative {
            ask,
            code: code.clone(),
            timeout_seconds,
        }),
        ..SmokeSpec::default()
    };
    let without = spec(NegativeAsk::Without("OPENAI_API_KEY".into()), None);
    let calls = only(target("a/b@1", Some(without)), &SmokeOptions::default());
    assert_eq!(calls.len(), 2);
    let probe = &calls[1];
    assert_eq!(probe.kind, CallKind::Negative);
    assert_eq!(probe.function, "check");
    assert_eq!(
        probe.payload,
        json!({"ref": "a/b@1", "mode": "real", "without": ["OPENAI_API_KEY"]})
    );
    assert_eq!(probe.timeout, Duration::from_secs(90));
    assert_eq!(probe.rule, Rule::FailsWith(code.clone()));

    let own = spec(
        NegativeAsk::Payload(json!({"mode": "real", "x": 1})),
        Some(7),
    );
    let probe = only(target("a/b@1", Some(own)), &SmokeOptions::default()).remove(1);
    assert_eq!(
        probe.payload,
        json!({"ref": "a/b@1", "mode": "real", "x": 1})
    );
    assert_eq!(probe.timeout, Duration::from_secs(7));
}

/// The prices of canaries, each by what it says it may cost, and why some are skipped.
fn canaries(prices: &[Option<f64>], budget: CanaryBudget) -> Vec<(f64, Option<String>)> {
    let targets: Vec<Target> = (0..)
        .zip(prices)
        .map(|(number, price)| {
            let spec = SmokeSpec {
                canary: Some(Canary {
                    max_cost: price.map(cost),
                    ..Canary::default()
                }),
                ..SmokeSpec::default()
            };
            target(&format!("a/p{number}@1"), Some(spec))
        })
        .collect();
    let options = SmokeOptions {
        canary: Some(budget),
        ..SmokeOptions::default()
    };
    plan(&targets, &options)
        .into_iter()
        .map(|mut smoke| {
            let call = smoke.calls.pop().unwrap();
            assert_eq!(call.kind, CallKind::Canary);
            assert_eq!(call.payload["mode"], "real");
            (call.price.unwrap().counted.into(), call.skip)
        })
        .collect()
}

#[test]
fn canaries_share_a_budget_that_is_handed_out_beforehand() {
    let used_up = Some("the budget of 2 canary calls is used up".to_owned());
    let two = |cost| CanaryBudget { calls: 2, cost };
    assert_eq!(
        canaries(&[None, None, None], two(Some(cost(1.0)))),
        [(0.5, None), (0.5, None), (0.5, used_up.clone())]
    );
    assert_eq!(
        canaries(&[None, Some(3.0), None], two(None)),
        [(0.0, None), (3.0, None), (0.0, used_up)]
    );
    // The one that is too dear leaves its place to a cheaper one.
    let dear = "0.4 of the canary budget of 1 are taken, and it needs 0.7".to_owned();
    assert_eq!(
        canaries(&[Some(0.4), Some(0.7), Some(0.6)], two(Some(cost(1.0)))),
        [(0.4, None), (0.7, Some(dear)), (0.6, None)]
    );
    let none = CanaryBudget {
        calls: 0,
        cost: None,
    };
    assert!(canaries(&[None], none)[0].1.is_some());
}

#[test]
fn canaries_are_off_unless_there_is_a_budget() {
    let spec = SmokeSpec {
        canary: Some(Canary::default()),
        ..SmokeSpec::default()
    };
    let calls = only(target("a/b@1", Some(spec)), &SmokeOptions::default());
    assert_eq!(calls.len(), 1);
}
