use ciborium::Value as Cbor;
use serde_json::json;

use super::*;

const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn target() -> Target {
    Target {
        reference: "llm/litellm@1".parse().unwrap(),
        app: "llm-litellm-v1".to_owned(),
        image: format!("ghcr.io/org/app@sha256:{HEX}").parse().unwrap(),
        version: Some(3),
        smoke: None,
    }
}

fn judged(value: Cbor, rule: &Rule) -> Judgement {
    let reply = Reply {
        value,
        call_id: "fc-1".to_owned(),
        version: None,
    };
    judge(&reply, &target(), rule)
}

/// The judgement of a JSON value, which is the same as object, text and bytes.
fn json_by(rule: &Rule, json: &Value) -> Judgement {
    let object = judged(Cbor::serialized(json).unwrap(), rule);
    let text = json.to_string();
    assert_eq!(judged(Cbor::Text(text.clone()), rule), object);
    assert_eq!(judged(Cbor::Bytes(text.into_bytes()), rule), object);
    object
}

fn why(judgement: Judgement) -> String {
    match judgement {
        Judgement::Passed => panic!("passed"),
        Judgement::Failed(why) => why,
        Judgement::Stale(why) => format!("stale: {why}"),
    }
}

#[test]
fn success_with_the_right_digest_or_none_passes() {
    let digest = format!("sha256:{HEX}");
    for json in [
        json!({"status": "success"}),
        json!({"status": "success", "image_digest": digest}),
        json!({"status": "success", "digest": format!("ghcr.io/org/app@{digest}")}),
        json!({"status": "success", "meta": {"image_digest": digest}}),
        json!({"status": "success", "meta": {"image_digest": null}, "image_digest": ""}),
        json!({"status": "success", "meta": "text"}),
    ] {
        assert_eq!(json_by(&Rule::Succeeds, &json), Judgement::Passed, "{json}");
    }
}

#[test]
fn replies_that_are_no_envelope_pass_unless_something_is_expected_of_them() {
    let rules = [
        Rule::Has(serde_json::from_value(json!({"/ok": true})).unwrap()),
        Rule::FailsWith("ERR_X".parse().unwrap()),
    ];
    for value in [
        Cbor::Null,
        Cbor::Bool(true),
        Cbor::Text("pong".into()),
        Cbor::Text("[1]".into()),
        Cbor::Bytes(vec![0, 159]),
        Cbor::Array(vec![]),
    ] {
        let by = |rule| judged(value.clone(), rule);
        assert_eq!(by(&Rule::Succeeds), Judgement::Passed);
        for rule in &rules {
            assert_eq!(
                why(by(rule)),
                "the reply is no JSON object, which it should be"
            );
        }
    }
}

#[test]
fn everything_else_fails_and_says_why() {
    for (json, expected) in [
        (json!({}), "the reply is a JSON object without `status`"),
        (json!({"status": "ok"}), "the reply says status `ok`"),
        (json!({"status": true}), "the reply says status `true`"),
        (json!({"status": null}), "the reply says status `null`"),
        (
            json!({"status": {"a": 1}}),
            "the reply says status an object",
        ),
        (
            json!({"status": "error", "error": {"code": "ERR_X", "message": "no"}}),
            "the reply says status `error`: ERR_X: no",
        ),
        (
            json!({"status": "error", "error": {"code": 7}}),
            "the reply says status `error`: 7",
        ),
        (
            json!({"status": "error", "message": "broken"}),
            "the reply says status `error`: broken",
        ),
        (
            json!({"status": "error", "error": "bad"}),
            "the reply says status `error`: bad",
        ),
        (
            json!({"status": "error", "error": ["a", "b"]}),
            "the reply says status `error`: a list",
        ),
    ] {
        assert_eq!(why(json_by(&Rule::Succeeds, &json)), expected, "{json}");
    }
}

#[test]
fn another_image_is_told_before_what_it_says() {
    let other = format!("sha256:{}", HEX.replace('a', "b"));
    let right = format!("sha256:{HEX}");
    for (json, found) in [
        (
            json!({"status": "success", "image_digest": other}),
            other.as_str(),
        ),
        (json!({"status": "error", "digest": 7}), "7"),
        (
            json!({"status": "success", "meta": {"image_digest": "unknown"}}),
            "unknown",
        ),
        (
            json!({"status": "success", "meta": {"image_digest": {}}}),
            "an object",
        ),
        // One right digest does not excuse a wrong one.
        (
            json!({"status": "success", "digest": right, "meta": {"image_digest": other}}),
            &other,
        ),
    ] {
        let expected = format!("stale: the reply comes from image `{found}`, pinned is `{right}`");
        assert_eq!(why(json_by(&Rule::Succeeds, &json)), expected);
    }
}

#[test]
fn expectations_replace_the_rule_of_status() {
    let rule = Rule::Has(
        serde_json::from_value(json!({"/result/n": 1, "/ok": true, "/list": [1, {"a": 2}]}))
            .unwrap(),
    );
    let good = json!({"result": {"n": 1.0}, "ok": true, "list": [1.0, {"a": 2}], "status": "odd"});
    assert_eq!(json_by(&rule, &good), Judgement::Passed);
    for (json, expected) in [
        (
            json!({"result": {"n": 2}, "error": {"message": "off by one"}}),
            "the reply has `2` at `/result/n`, expected `1`: off by one",
        ),
        (
            json!({"result": {"n": 1}}),
            "the reply has nothing at `/ok`, expected `true`",
        ),
        (
            json!({"result": {"n": 1}, "ok": "true", "list": []}),
            "the reply has `true` at `/ok`, expected `true`",
        ),
        (
            json!({"result": {"n": 1}, "ok": true, "list": [1]}),
            "the reply has a list at `/list`, expected `[1,{\"a\":2}]`",
        ),
    ] {
        assert_eq!(why(json_by(&rule, &json)), expected);
    }
}

#[test]
fn a_probe_passes_only_with_its_error() {
    let rule = Rule::FailsWith("ERR_MISSING_SECRET".parse().unwrap());
    let good = json!({"status": "error", "error": {"code": "ERR_MISSING_SECRET", "message": "x"}});
    assert_eq!(json_by(&rule, &good), Judgement::Passed);
    for (json, says) in [
        (json!({"status": "success"}), "status `success`"),
        (
            json!({"status": "error", "error": {"code": "ERR_OTHER"}}),
            "status `error`: ERR_OTHER",
        ),
        (
            json!({"status": "success", "error": {"code": "ERR_MISSING_SECRET"}}),
            "status `success`: ERR_MISSING_SECRET",
        ),
        (
            json!({"error": {"code": "ERR_MISSING_SECRET"}}),
            "status none: ERR_MISSING_SECRET",
        ),
        (
            json!({"status": "error", "error": "ERR_MISSING_SECRET"}),
            "status `error`: ERR_MISSING_SECRET",
        ),
    ] {
        let expected = format!("the reply says {says}, expected the error `ERR_MISSING_SECRET`");
        assert_eq!(why(json_by(&rule, &json)), expected);
    }
}

#[test]
fn what_begins_like_an_object_must_be_one() {
    let deep = format!(
        "{{\"status\": \"error\", \"a\": {}{}}}",
        "[".repeat(500),
        "]".repeat(500)
    );
    for text in [
        "{\"status\": \"error\"",
        " {broken}",
        &deep,
        "{\"a\": 1} and more",
    ] {
        for value in [Cbor::Text(text.into()), Cbor::Bytes(text.into())] {
            let failed = judged(value, &Rule::Succeeds);
            assert_eq!(
                why(failed),
                "the reply begins like JSON and is not",
                "{text}"
            );
        }
    }
    let torn = [
        b"{\"status\": \"success\", \"x\": \"".as_slice(),
        &[0xff, 0xfe],
        b"\"}",
    ]
    .concat();
    assert!(matches!(
        judged(Cbor::Bytes(torn), &Rule::Succeeds),
        Judgement::Failed(_)
    ));
}
