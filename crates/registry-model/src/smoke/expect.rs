use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::JsonPointer;
use crate::NameError;

/// What must stand where in a reply.
///
/// In a file, a mapping from JSON pointers to values; `status` is short for `/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Expect(Vec<(JsonPointer, Value)>);

/// A mapping that is no [`Expect`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectError {
    /// It has no pairs, so that every reply would do.
    #[error("expect something of a reply: the mapping is empty")]
    Empty,
    /// A key is neither `status` nor a pointer.
    #[error(transparent)]
    Pointer(#[from] NameError),
}

impl Expect {
    /// That `status` is `success`.
    #[must_use]
    pub fn success() -> Self {
        let status = Self::pointer("status").into_iter();
        Self(status.map(|at| (at, "success".into())).collect())
    }

    /// The places and their values, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&JsonPointer, &Value)> {
        self.0.iter().map(|(pointer, value)| (pointer, value))
    }

    /// The place that a key of the mapping names.
    pub(crate) fn pointer(key: &str) -> Result<JsonPointer, NameError> {
        if key == "status" { "/status" } else { key }.parse()
    }
}

impl TryFrom<Map<String, Value>> for Expect {
    type Error = ExpectError;

    fn try_from(map: Map<String, Value>) -> Result<Self, ExpectError> {
        if map.is_empty() {
            return Err(ExpectError::Empty);
        }
        let pairs = map.into_iter();
        let pairs = pairs.map(|(key, value)| Ok((Self::pointer(&key)?, value)));
        Ok(Self(pairs.collect::<Result<_, NameError>>()?))
    }
}

impl From<Expect> for Map<String, Value> {
    fn from(expect: Expect) -> Self {
        let pairs = expect.0.into_iter();
        pairs
            .map(|(pointer, value)| (pointer.to_string(), value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mapping_of_pointers_in_its_order() {
        let expect: Expect =
            serde_json::from_value(json!({"status": "ok", "/a/0": {"b": 1}})).unwrap();
        let told = json!({"/status": "ok", "/a/0": {"b": 1}});
        assert_eq!(serde_json::to_value(&expect).unwrap(), told);
        let error = |value| {
            serde_json::from_value::<Expect>(value)
                .unwrap_err()
                .to_string()
        };
        assert!(error(json!({})).contains("empty"));
        assert!(error(json!({"state": 1})).contains("JSON pointer"));
        assert!(serde_json::from_value::<Expect>(json!(["/a"])).is_err());
    }
}
