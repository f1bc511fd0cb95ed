use ciborium::Value;

use super::invocation::Reply;

/// The CBOR of `[[payload], {}]`: one positional argument, no named ones.
pub(crate) fn encode_arguments(payload: &serde_json::Value) -> Result<Vec<u8>, String> {
    let arguments = ([payload], serde_json::Map::new());
    let mut bytes = Vec::new();
    ciborium::into_writer(&arguments, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Value, String> {
    // Python's `None` without a body is an empty result.
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    ciborium::from_reader(bytes).map_err(|error| error.to_string())
}

impl Reply {
    /// The reply as a JSON envelope: an object, or text or bytes that hold one.
    #[must_use]
    pub fn envelope(&self) -> Option<serde_json::Value> {
        envelope(&self.value)
    }
}

pub(crate) fn envelope(value: &Value) -> Option<serde_json::Value> {
    let json: serde_json::Value = match value {
        Value::Map(_) => to_json(value),
        Value::Text(text) => serde_json::from_str(text).ok()?,
        Value::Bytes(bytes) => serde_json::from_slice(bytes).ok()?,
        Value::Tag(_, inner) => return envelope(inner),
        _ => return None,
    };
    json.is_object().then_some(json)
}

/// What JSON can say of a CBOR value: bytes become text, and what has no counterpart `null`.
fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Integer(number) => {
            let number = i128::from(*number);
            match (i64::try_from(number), u64::try_from(number)) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => Json::Null,
            }
        }
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Tag(_, inner) => to_json(inner),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Map(pairs) => {
            let named = pairs.iter().filter_map(|(key, value)| match key {
                Value::Text(key) => Some((key.clone(), to_json(value))),
                _ => None,
            });
            Json::Object(named.collect())
        }
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_one_positional_and_no_named() {
        let payload = serde_json::json!({"ref": "llm/litellm@1", "mode": "mock"});
        let bytes = encode_arguments(&payload).unwrap();
        // RFC 8949: array(2), array(1), map(2), four texts in the order given, map(0).
        let expected = [
            &[0x82, 0x81, 0xa2, 0x63][..],
            b"ref",
            &[0x6d],
            b"llm/litellm@1",
            &[0x64],
            b"mode",
            &[0x64],
            b"mock",
            &[0xa0],
        ]
        .concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn finds_envelopes_in_objects_text_and_bytes() {
        let json = serde_json::json!({"status": "success", "n": -1, "big": u64::MAX});
        let object = Value::serialized(&json).unwrap();
        assert_eq!(envelope(&object).unwrap(), json);
        let text = json.to_string();
        assert_eq!(envelope(&Value::Text(text.clone())).unwrap(), json);
        assert_eq!(envelope(&Value::Bytes(text.into_bytes())).unwrap(), json);
        for other in [
            Value::Null,
            Value::Text("pong".into()),
            Value::Text("[1]".into()),
            Value::Bytes(vec![0xff]),
            Value::Array(vec![object]),
        ] {
            assert_eq!(envelope(&other), None, "{other:?}");
        }
    }

    #[test]
    fn an_empty_result_is_none_and_garbage_is_an_error() {
        assert_eq!(decode(&[]).unwrap(), Value::Null);
        assert!(decode(&[0x82, 0x01]).is_err());
    }
}
