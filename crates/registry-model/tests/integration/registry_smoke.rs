//! `smoke` of a registry file.

use registry_model::{
    CODES, Cost, Entry, Findings, JsonPointer, LoadOptions, NegativeAsk, Registry,
};

use crate::support::repository;

/// What a file with these lines, below the ref and two secrets, is read as.
fn read(lines: &str) -> Result<Entry, Findings> {
    let text = format!(
        "ref: llm/litellm@1\nsecrets: {{required: [OPENAI_API_KEY], optional: [BASE]}}\n\
         build: {{dockerfile: D}}\n{lines}"
    );
    let root = repository(&[("code/x.yaml", text.as_str()), ("code/D", "")]);
    let options = LoadOptions::new(["code/*.yaml"], "code");
    Registry::load(root.path(), &options).map(|mut registry| registry.entries.remove(0))
}

fn said(lines: &str) -> String {
    let findings = read(lines).unwrap_err();
    for finding in &findings {
        assert!(CODES.iter().any(|(code, _)| *code == finding.code));
    }
    findings.to_string()
}

#[test]
fn all_fields_are_read() {
    let entry = read(
        "smoke:\n  function: smoke_v2\n  payload: {mode: mock, n: 1, deep: [{a: null}, 1.5, 'x', true]}\n  \
         expect: {status: success, /meta/pages: 3}\n  timeout-seconds: 120\n  \
         negative: {without: OPENAI_API_KEY, code: ERR_MISSING_SECRET, timeout-seconds: '30'}\n  \
         canary: {payload: {mode: real, tokens: 1}, max-cost: 0.05, cost: /usage/total, timeout-seconds: 60}\n",
    )
    .unwrap();
    insta::assert_json_snapshot!(entry.smoke, @r#"
{
  "function": "smoke_v2",
  "payload": {
    "mode": "mock",
    "n": 1,
    "deep": [
      {
        "a": null
      },
      1.5,
      "x",
      true
    ]
  },
  "expect": {
    "/status": "success",
    "/meta/pages": 3
  },
  "timeout-seconds": 120,
  "negative": {
    "ask": {
      "without": "OPENAI_API_KEY"
    },
    "code": "ERR_MISSING_SECRET",
    "timeout-seconds": 30
  },
  "canary": {
    "payload": {
      "mode": "real",
      "tokens": 1
    },
    "max-cost": 0.05,
    "cost": "/usage/total",
    "timeout-seconds": 60
  }
}
"#);
}

#[test]
fn an_entry_without_smoke_leaves_all_to_the_defaults() {
    assert_eq!(read("").unwrap().smoke, None);
    assert_eq!(read("smoke:\n").unwrap().smoke, None);
    let empty = read("smoke: {function: , payload: ~, expect: , negative: , canary: {}}\n");
    let smoke = empty.unwrap().smoke.unwrap();
    assert_eq!(smoke.canary, Some(registry_model::Canary::default()));
    assert!(smoke.payload.is_none() && smoke.expect.is_none() && smoke.negative.is_none());
}

#[test]
fn payloads_follow_aliases_and_merge_keys() {
    let entry = read(
        "base: &base {mode: mock, n: 1}\nmore: &more {n: 2, m: 3}\nsmoke:\n  payload: {<<: [*base, *more], x: *base, n: 0}\n  \
         negative: {payload: *base, code: ERR_X}\n",
    );
    let smoke = entry.unwrap().smoke.unwrap();
    let expected =
        serde_json::json!({"x": {"mode": "mock", "n": 1}, "n": 0, "mode": "mock", "m": 3});
    assert_eq!(smoke.payload, Some(expected));
    let ask = NegativeAsk::Payload(serde_json::json!({"mode": "mock", "n": 1}));
    assert_eq!(smoke.negative.unwrap().ask, ask);
}

#[test]
fn a_canary_has_a_price_and_a_place_where_it_stands() {
    let smoke = read("smoke: {canary: {max-cost: '0.1', cost: /a}}\n")
        .unwrap()
        .smoke;
    let canary = smoke.unwrap().canary.unwrap();
    assert_eq!(canary.max_cost, Some(Cost::try_from(0.1).unwrap()));
    assert_eq!(canary.cost.as_ref().map(JsonPointer::as_str), Some("/a"));
}

#[test]
fn everything_wrong_is_said_at_its_place_with_its_cure() {
    insta::assert_snapshot!(said(
        "smoke:\n  functoin: x\n  timeout_s: 3\n  timeout-seconds: 0\n  function: a b\n  expect: {state: 1}\n  \
         negative: {without: OPENAI_KEY, cod: X}\n  canary: {max-cost: -1, cost: usage, budget: 3}\n"
    ), @r"
read the registry files: 11 problems
  code/x.yaml:5:3: `functoin` is no field of `smoke` [unknown-field]
    hint: did you mean `function`?
  code/x.yaml:6:3: `timeout_s` is no field of `smoke` [unknown-field]
    hint: did you mean `timeout-seconds`?
  code/x.yaml:7:20: `smoke.timeout-seconds` should be a number of seconds, whole and from 1 to 86400, and is the number `0` [bad-type]
  code/x.yaml:8:13: `smoke.function` is `a b`, expected at most 64 letters, digits, `-`, `_` and `.` [bad-smoke]
  code/x.yaml:9:12: `smoke.expect` has the key `state`, expected a JSON pointer, as in `/usage/cost` [bad-smoke]
  code/x.yaml:10:13: `smoke.negative` has no `code` [bad-smoke]
    hint: name the error that must come, as in `code: ERR_MISSING_SECRET`
  code/x.yaml:10:23: `OPENAI_KEY` of `smoke.negative.without` is no secret of this entry [bad-smoke]
    hint: did you mean `OPENAI_API_KEY`?
  code/x.yaml:10:35: `cod` is no field of `smoke.negative` [unknown-field]
    hint: did you mean `code`?
  code/x.yaml:11:22: `smoke.canary.max-cost` should be an amount of money, and is the number `-1` [bad-type]
  code/x.yaml:11:32: `smoke.canary.cost` is `usage`, expected a JSON pointer, as in `/usage/cost` [bad-smoke]
  code/x.yaml:11:39: `budget` is no field of `smoke.canary` [unknown-field]
    hint: `smoke.canary` has payload, max-cost, cost, timeout-seconds
");
    insta::assert_snapshot!(said("smoke: {timeout-seconds: 1.5, negative: {code: err}}\n"), @r"
read the registry files: 3 problems
  code/x.yaml:4:26: `smoke.timeout-seconds` should be a number of seconds, whole and from 1 to 86400, and is the number `1.5` [bad-type]
  code/x.yaml:4:41: `smoke.negative` does not say what to send [bad-smoke]
    hint: name a secret with `without`, or give a `payload`
  code/x.yaml:4:48: `smoke.negative.code` is `err`, expected capital letters, digits and `_`, as in `ERR_MISSING_SECRET` [bad-smoke]
");
    insta::assert_snapshot!(said("smoke: {timeout-seconds: 86401, expect: {}}\n"), @r"
read the registry files: 2 problems
  code/x.yaml:4:26: `smoke.timeout-seconds` should be a number of seconds, whole and from 1 to 86400, and is the number `86401` [bad-type]
  code/x.yaml:4:41: `smoke.expect` is empty, so that every reply would do [bad-smoke]
    hint: say what a good reply has, as in `expect: {status: success}`
");
    insta::assert_snapshot!(said("smoke: {negative: {without: BASE, payload: {a: 1}, code: ERR_X}}\n"), @r"
read the registry files: 1 problem
  code/x.yaml:4:44: `smoke.negative` has both `without` and `payload` [bad-smoke]
    hint: keep one: `without` makes a payload of its own
");
    insta::assert_snapshot!(said("smoke: {negative: {without: , code: }}\n"), @r"
read the registry files: 2 problems
  code/x.yaml:4:19: `smoke.negative` does not say what to send [bad-smoke]
    hint: name a secret with `without`, or give a `payload`
  code/x.yaml:4:19: `smoke.negative` has no `code` [bad-smoke]
    hint: name the error that must come, as in `code: ERR_MISSING_SECRET`
");
    insta::assert_snapshot!(said("smoke: [x]\n"), @r"
read the registry files: 1 problem
  code/x.yaml:4:8: `smoke` should be a mapping, and is a list [bad-type]
");
    insta::assert_snapshot!(said("smoke: {canary: {max-cost: 1e12}, payload: {a: .nan}}\n"), @r"
read the registry files: 2 problems
  code/x.yaml:4:28: `smoke.canary.max-cost` is `1000000000000`, expected an amount from 0 to 1000000000 [bad-smoke]
  code/x.yaml:4:48: `smoke.payload` has a number that JSON does not know [bad-smoke]
");
    insta::assert_snapshot!(said("smoke:\n  payload:\n    ? [a]\n    : b\n"), @r"
read the registry files: 1 problem
  code/x.yaml:6:7: `smoke.payload` has a key that is no text, which JSON does not know [bad-smoke]
");
    insta::assert_snapshot!(said("smoke: {payload: {<<: x}}\n"), @r"
read the registry files: 1 problem
  code/x.yaml:4:19: `smoke.payload` merges something that is no mapping [bad-smoke]
");
}

#[test]
fn a_secret_of_the_probe_must_be_one_of_the_entry() {
    let text = "ref: a/b@1\nbuild: {dockerfile: D}\nsmoke: {negative: {without: X, code: ERR_X}}\n";
    let root = repository(&[("code/x.yaml", text), ("code/D", "")]);
    let options = LoadOptions::new(["code/*.yaml"], "code");
    let findings = Registry::load(root.path(), &options).unwrap_err();
    insta::assert_snapshot!(findings, @r"
read the registry files: 1 problem
  code/x.yaml:3:29: `X` of `smoke.negative.without` is no secret of this entry [bad-smoke]
    hint: `secrets` has none
");
}

#[test]
fn hostile_payloads_are_findings() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
                c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n\
                e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n";
    let found = said(&format!("{bomb}smoke: {{payload: *e}}\n"));
    assert!(
        found.contains("`smoke.payload` is too large to be sent [alias-expansion]"),
        "{found}"
    );
    let found = said("smoke: {payload: &p [*p]}\n");
    assert!(
        found.contains("`smoke.payload` is nested too deeply [alias-expansion]"),
        "{found}"
    );
}
