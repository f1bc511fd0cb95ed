//! JSON with one text for each value, so that its hash means something.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// `value` without blanks and with its keys sorted by code point.
pub(super) fn text(value: &Value) -> String {
    sorted(value).to_string()
}

/// The SHA-256 of [`text`], in hexadecimal digits.
pub(super) fn hash(value: &Value) -> String {
    sha256(text(value).as_bytes())
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pairs = pairs.into_iter();
            Value::Object(
                pairs
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_makes_no_difference() {
        let value = json!({"b": [{"z": 1, "a": null}], "a": "ü\n\u{1}\"\\", "ab": 1.5, "B": true});
        // What Python's json.dumps(sort_keys=True, separators=(",", ":"), ensure_ascii=False) says.
        let expected = r#"{"B":true,"a":"ü\n\u0001\"\\","ab":1.5,"b":[{"a":null,"z":1}]}"#;
        assert_eq!(text(&value), expected);
        assert_eq!(hash(&json!({})), sha256(b"{}"));
    }
}
