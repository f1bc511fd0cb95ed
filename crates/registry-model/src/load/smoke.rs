//! `smoke`: how a deployed processor is called, and what it must answer.

use serde_json::Value;

use super::fields::{choice, last, present, refuse_unknown, sound, word};
use super::json;
use super::reader::Reader;
use crate::finding::code;
use crate::yaml::NodeId;
use crate::{Canary, Cost, Expect, Negative, NegativeAsk, SecretNames, SmokeSpec};

/// A day: nothing at Modal runs longer.
const LONGEST: f64 = 86_400.0;

pub(super) fn read(
    reader: &mut Reader<'_>,
    document: NodeId,
    secrets: &SecretNames,
) -> Option<SmokeSpec> {
    let smoke = reader.map(document, "smoke")?;
    let known = [
        "function",
        "payload",
        "expect",
        "timeout-seconds",
        "negative",
        "canary",
    ];
    refuse_unknown(reader, smoke, "smoke", &known);
    Some(SmokeSpec {
        function: word(reader, code::BAD_SMOKE, smoke, "smoke.function"),
        payload: payload(reader, smoke, "smoke.payload"),
        expect: expect(reader, smoke),
        timeout_seconds: timeout(reader, smoke, "smoke.timeout-seconds"),
        negative: negative(reader, smoke, secrets),
        canary: canary(reader, smoke),
    })
}

fn negative(reader: &mut Reader<'_>, smoke: NodeId, secrets: &SecretNames) -> Option<Negative> {
    let negative = reader.map(smoke, "smoke.negative")?;
    let known = ["without", "payload", "code", "timeout-seconds"];
    refuse_unknown(reader, negative, "smoke.negative", &known);
    let without = without(reader, negative, secrets);
    let sent = payload(reader, negative, "smoke.negative.payload");
    let given = (
        present(reader, negative, "without"),
        present(reader, negative, "payload"),
    );
    let ask = match given {
        (Some(_), Some(second)) => {
            let message = "`smoke.negative` has both `without` and `payload`";
            let hint = "keep one: `without` makes a payload of its own";
            reader.error(second, code::BAD_SMOKE, message, Some(hint));
            None
        }
        (None, None) => {
            let message = "`smoke.negative` does not say what to send";
            let hint = "name a secret with `without`, or give a `payload`";
            reader.error(negative, code::BAD_SMOKE, message, Some(hint));
            None
        }
        _ => without
            .map(NegativeAsk::Without)
            .or(sent.map(NegativeAsk::Payload)),
    };
    if present(reader, negative, "code").is_none() {
        let message = "`smoke.negative` has no `code`";
        let hint = "name the error that must come, as in `code: ERR_MISSING_SECRET`";
        reader.error(negative, code::BAD_SMOKE, message, Some(hint));
    }
    let code = word(reader, code::BAD_SMOKE, negative, "smoke.negative.code");
    let timeout_seconds = timeout(reader, negative, "smoke.negative.timeout-seconds");
    Some(Negative {
        ask: ask?,
        code: code?,
        timeout_seconds,
    })
}

fn without(reader: &mut Reader<'_>, negative: NodeId, secrets: &SecretNames) -> Option<String> {
    let (name, at) = reader.text(negative, "smoke.negative.without")?;
    let declared: Vec<&str> = [&secrets.required, &secrets.optional]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    if !declared.contains(&name) {
        let shown: String = name.chars().take(80).collect();
        let message = format!("`{shown}` of `smoke.negative.without` is no secret of this entry");
        reader.error(
            at,
            code::BAD_SMOKE,
            message,
            Some(&choice(name, &declared, "`secrets`")),
        );
        return None;
    }
    Some(name.to_owned())
}

fn canary(reader: &mut Reader<'_>, smoke: NodeId) -> Option<Canary> {
    let canary = reader.map(smoke, "smoke.canary")?;
    let known = ["payload", "max-cost", "cost", "timeout-seconds"];
    refuse_unknown(reader, canary, "smoke.canary", &known);
    let field = "smoke.canary.max-cost";
    let most = reader.number(canary, field, "an amount of money");
    Some(Canary {
        payload: payload(reader, canary, "smoke.canary.payload"),
        max_cost: most.and_then(|most| {
            let (_, at) = reader.find(canary, "max-cost")?;
            sound(
                reader,
                code::BAD_SMOKE,
                at,
                &format!("`{field}` is"),
                Cost::try_from(most),
            )
        }),
        cost: word(reader, code::BAD_SMOKE, canary, "smoke.canary.cost"),
        timeout_seconds: timeout(reader, canary, "smoke.canary.timeout-seconds"),
    })
}

fn expect(reader: &mut Reader<'_>, smoke: NodeId) -> Option<Expect> {
    let expect = reader.map(smoke, "smoke.expect")?;
    for (key, _) in reader.tree.pairs(expect).unwrap_or_default() {
        let Some((text, _)) = reader.tree.scalar(reader.tree.target(*key)) else {
            continue;
        };
        if !reader.tree.is_merge(*key) {
            sound(
                reader,
                code::BAD_SMOKE,
                *key,
                "`smoke.expect` has the key",
                Expect::pointer(text),
            );
        }
    }
    let Value::Object(map) = json::value(reader, code::BAD_SMOKE, expect, "smoke.expect")? else {
        return None;
    };
    if map.is_empty() {
        let hint = "say what a good reply has, as in `expect: {status: success}`";
        let message = "`smoke.expect` is empty, so that every reply would do";
        reader.error(expect, code::BAD_SMOKE, message, Some(hint));
    }
    Expect::try_from(map).ok()
}

fn payload(reader: &mut Reader<'_>, map: NodeId, field: &str) -> Option<Value> {
    let value = present(reader, map, last(field))?;
    json::value(reader, code::BAD_SMOKE, value, field)
}

fn timeout(reader: &mut Reader<'_>, map: NodeId, field: &str) -> Option<u64> {
    let expected = "a number of seconds";
    let seconds = reader.number(map, field, expected)?;
    if (1.0..=LONGEST).contains(&seconds) && seconds.fract() == 0.0 {
        return Some(seconds as u64);
    }
    let (key, value) = reader.find(map, last(field))?;
    let expected = format!("{expected}, whole and from 1 to {LONGEST}");
    reader.bad_type(field, key, value, &expected);
    None
}
