use registry_model::{Digest, ErrorCode, Expect};
use serde_json::Value;

use super::Target;
use crate::client::Reply;

/// What a reply must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Anything, but an envelope must say `success`.
    Succeeds,
    /// An envelope with these values.
    Has(Expect),
    /// An envelope with this error.
    FailsWith(ErrorCode),
}

/// What a reply means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The reply is as it should be.
    Passed,
    /// It is not, and why.
    Failed(String),
    /// It comes from an image that should no longer answer, and why that is known.
    Stale(String),
}

/// Judges a reply by `rule`. Who answered comes first: what somebody else says does not count.
///
/// The text of the judgement repeats parts of the reply, whole and as they are.
#[must_use]
pub fn judge(reply: &Reply, target: &Target, rule: &Rule) -> Judgement {
    let envelope = reply.envelope();
    let digest = &target.image.digest;
    if let Some(found) = envelope
        .as_ref()
        .and_then(|envelope| carried_digests(envelope).find(|found| !names(found, digest)))
    {
        return Judgement::Stale(format!(
            "the reply comes from image `{found}`, pinned is `{digest}`"
        ));
    }
    let trouble = match (&envelope, rule) {
        (None, _) if is_broken(reply) => Some("the reply begins like JSON and is not".to_owned()),
        (None, Rule::Succeeds) => None,
        (None, Rule::Has(_) | Rule::FailsWith(_)) => {
            Some("the reply is no JSON object, which it should be".to_owned())
        }
        (Some(envelope), Rule::Succeeds) => unsuccessful(envelope),
        (Some(envelope), Rule::Has(expect)) => unmet(envelope, expect),
        (Some(envelope), Rule::FailsWith(code)) => not_failed(envelope, code),
    };
    trouble.map_or(Judgement::Passed, Judgement::Failed)
}

fn unsuccessful(envelope: &Value) -> Option<String> {
    match envelope.get("status") {
        Some(Value::String(status)) if status == "success" => None,
        Some(status) => Some(format!(
            "the reply says status {}{}",
            quoted(status),
            complaint(envelope)
        )),
        None => Some("the reply is a JSON object without `status`".to_owned()),
    }
}

fn unmet(envelope: &Value, expect: &Expect) -> Option<String> {
    expect.iter().find_map(|(place, wanted)| {
        let found = place.find(envelope);
        if found.is_some_and(|found| same(found, wanted)) {
            return None;
        }
        let found = found.map_or("nothing".to_owned(), quoted);
        Some(format!(
            "the reply has {found} at `{place}`, expected `{wanted}`{}",
            complaint(envelope)
        ))
    })
}

fn not_failed(envelope: &Value, code: &ErrorCode) -> Option<String> {
    let status = envelope.get("status");
    let found = envelope.get("error").and_then(|error| error.get("code"));
    let is = |value: Option<&Value>, text: &str| value.and_then(Value::as_str) == Some(text);
    if is(status, "error") && is(found, code.as_str()) {
        return None;
    }
    let status = status.map_or("none".to_owned(), quoted);
    Some(format!(
        "the reply says status {status}{}, expected the error `{code}`",
        complaint(envelope)
    ))
}

/// Text or bytes that should have been an envelope.
fn is_broken(reply: &Reply) -> bool {
    let bytes = match &reply.value {
        ciborium::Value::Text(text) => text.as_bytes(),
        ciborium::Value::Bytes(bytes) => bytes,
        _ => return false,
    };
    bytes.trim_ascii_start().starts_with(b"{")
}

/// Equality as JSON people mean it: `1` is `1.0`.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let counterpart = |(key, one)| other.get(key).is_some_and(|other| same(one, other));
            one.len() == other.len() && one.iter().all(counterpart)
        }
        _ => one == other,
    }
}

fn carried_digests(envelope: &Value) -> impl Iterator<Item = String> {
    ["/image_digest", "/digest", "/meta/image_digest"]
        .into_iter()
        .filter_map(|place| envelope.pointer(place))
        // An image that was not told its digest says nothing about it.
        .filter(|found| !found.is_null() && found.as_str() != Some(""))
        .map(text_of)
}

/// Whether `found`, a digest or an image with one, names `digest`.
fn names(found: &str, digest: &Digest) -> bool {
    let after = found.rsplit_once('@').map_or(found, |(_, after)| after);
    after == digest.as_str()
}

/// What an envelope tells about its error, to be put after a statement.
fn complaint(envelope: &Value) -> String {
    let error = envelope.get("error").filter(|error| !error.is_null());
    let field = |name| error.and_then(|error| error.get(name)).map(text_of);
    let told = match (field("code"), field("message"), error) {
        (Some(code), Some(message), _) => format!("{code}: {message}"),
        (Some(one), None, _) | (None, Some(one), _) => one,
        (None, None, Some(error)) => text_of(error),
        (None, None, None) => match envelope.get("message") {
            Some(message) => text_of(message),
            None => return String::new(),
        },
    };
    format!(": {told}")
}

fn quoted(value: &Value) -> String {
    match value {
        Value::Object(_) | Value::Array(_) => text_of(value),
        _ => format!("`{}`", text_of(value)),
    }
}

/// Texts as they are, so that a secret in them is found. Structures are not shown: the way JSON
/// writes a secret may be another.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
