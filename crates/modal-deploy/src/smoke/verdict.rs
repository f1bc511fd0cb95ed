use registry_model::{Digest, PinnedImage};
use serde_json::Value;

use crate::client::Reply;

/// How much of what a reply says is repeated in a report.
const LONGEST_DETAIL: usize = 500;

/// What a reply means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The reply is as it should be.
    Passed,
    /// It is not, and why.
    Failed(String),
}

/// Judges the reply of a smoke function.
///
/// A reply that is no JSON envelope passes: the call succeeded. The `status` of an envelope must
/// be `success`, and a digest that it carries (`image_digest`, `digest` or `meta.image_digest`)
/// must be the one that is pinned.
#[must_use]
pub fn judge(reply: &Reply, pin: &PinnedImage) -> Judgement {
    let Some(envelope) = reply.envelope() else {
        return Judgement::Passed;
    };
    match envelope.get("status") {
        Some(Value::String(status)) if status == "success" => {}
        Some(status) => {
            let told = complaint(&envelope).map_or(String::new(), |text| format!(": {text}"));
            let status = text_of(status);
            return failed(format!("the reply says status `{status}`{told}"));
        }
        None => return failed("the reply is a JSON object without `status`".to_owned()),
    }
    match carried_digest(&envelope) {
        Some(found) if !names(&found, &pin.digest) => failed(format!(
            "the reply comes from image `{found}`, pinned is `{}`",
            pin.digest
        )),
        _ => Judgement::Passed,
    }
}

fn failed(mut why: String) -> Judgement {
    if let Some((cut, _)) = why.char_indices().nth(LONGEST_DETAIL) {
        why.truncate(cut);
        why.push('…');
    }
    Judgement::Failed(why)
}

fn carried_digest(envelope: &Value) -> Option<String> {
    [
        envelope.get("image_digest"),
        envelope.get("digest"),
        envelope
            .get("meta")
            .and_then(|meta| meta.get("image_digest")),
    ]
    .into_iter()
    .flatten()
    // An image that was not told its digest says nothing about it.
    .filter(|found| !found.is_null() && found.as_str() != Some(""))
    .map(text_of)
    .next()
}

/// Whether `found`, a digest or an image with one, names `digest`.
fn names(found: &str, digest: &Digest) -> bool {
    let after = found.rsplit_once('@').map_or(found, |(_, after)| after);
    after == digest.as_str()
}

fn complaint(envelope: &Value) -> Option<String> {
    let error = envelope.get("error").filter(|error| !error.is_null());
    let told = match error {
        Some(Value::Object(fields)) => {
            let field = |name| fields.get(name).map(text_of);
            match (field("code"), field("message")) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return error.map(text_of),
            }
        }
        Some(other) => text_of(other),
        None => text_of(envelope.get("message")?),
    };
    Some(told)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn pin() -> PinnedImage {
        format!("ghcr.io/org/app@sha256:{HEX}").parse().unwrap()
    }

    fn judged(value: ciborium::Value) -> Judgement {
        let reply = Reply {
            value,
            call_id: "fc-1".to_owned(),
            version: Some(1),
        };
        judge(&reply, &pin())
    }

    fn object(json: &Value) -> Judgement {
        judged(ciborium::Value::serialized(json).unwrap())
    }

    #[test]
    fn success_with_the_right_digest_or_none_passes() {
        let digest = format!("sha256:{HEX}");
        for json in [
            json!({"status": "success"}),
            json!({"status": "success", "image_digest": digest}),
            json!({"status": "success", "digest": pin().to_string()}),
            json!({"status": "success", "meta": {"image_digest": digest}}),
            json!({"status": "success", "meta": {"image_digest": null}, "image_digest": ""}),
            json!({"status": "success", "meta": "text"}),
        ] {
            assert_eq!(object(&json), Judgement::Passed, "{json}");
            let text = ciborium::Value::Text(json.to_string());
            assert_eq!(judged(text), Judgement::Passed, "{json}");
        }
    }

    #[test]
    fn replies_that_are_no_envelope_pass() {
        use ciborium::Value as Cbor;
        for value in [
            Cbor::Null,
            Cbor::Bool(true),
            Cbor::Text("pong".into()),
            Cbor::Bytes(vec![0, 159]),
            Cbor::Array(vec![]),
        ] {
            assert_eq!(judged(value), Judgement::Passed);
        }
    }

    #[test]
    fn everything_else_fails_and_says_why() {
        let other = format!("sha256:{}", HEX.replace('a', "b"));
        for (json, why) in [
            (json!({}), "without `status`"),
            (json!({"status": "ok"}), "says status `ok`"),
            (json!({"status": true}), "says status `true`"),
            (json!({"status": null}), "says status `null`"),
            (
                json!({"status": "error", "error": {"code": "ERR_X", "message": "no"}}),
                "says status `error`: ERR_X: no",
            ),
            (
                json!({"status": "error", "message": "broken"}),
                "says status `error`: broken",
            ),
            (json!({"status": "error", "error": "bad"}), "`error`: bad"),
            (
                json!({"status": "success", "image_digest": other}),
                "comes from image `sha256:bbb",
            ),
            (
                json!({"status": "success", "digest": format!("ghcr.io/org/app@{other}")}),
                "comes from image `ghcr.io",
            ),
            (
                json!({"status": "success", "meta": {"image_digest": "unknown"}}),
                "comes from image `unknown`",
            ),
            (json!({"status": "success", "digest": 7}), "image `7`"),
        ] {
            let text = ciborium::Value::Bytes(json.to_string().into_bytes());
            for judgement in [object(&json), judged(text)] {
                let Judgement::Failed(found) = judgement else {
                    panic!("{json} passed");
                };
                assert!(found.contains(why), "{json}: {found}");
            }
        }
    }

    #[test]
    fn long_complaints_are_cut() {
        let json = json!({"status": "error", "message": "ü".repeat(10_000)});
        let Judgement::Failed(why) = object(&json) else {
            panic!("passed");
        };
        assert_eq!(why.chars().count(), LONGEST_DETAIL + 1);
    }
}
