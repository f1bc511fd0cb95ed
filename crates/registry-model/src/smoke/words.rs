use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::NameError;
use crate::names::text_like;

/// The name of a deployed function, as Modal has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(String);

/// The code of an error in a reply: `ERR_MISSING_SECRET`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ErrorCode(String);

/// Where in a JSON value something stands: `/usage/cost`.
///
/// Source: RFC 6901. The empty pointer, which is the whole value, is refused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonPointer(String);

/// `text` as it is, when `holds`.
pub(crate) fn checked(
    text: &str,
    kind: &'static str,
    holds: bool,
    expected: &'static str,
) -> Result<String, NameError> {
    if holds {
        Ok(text.to_owned())
    } else {
        Err(NameError {
            kind,
            found: text.chars().take(100).collect(),
            expected,
        })
    }
}

impl FromStr for FunctionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let holds = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        let expected = "at most 64 letters, digits, `-`, `_` and `.`";
        checked(text, "function", holds, expected).map(Self)
    }
}

impl FromStr for ErrorCode {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let holds = text.len() <= 100
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(allowed);
        let expected = "capital letters, digits and `_`, as in `ERR_MISSING_SECRET`";
        checked(text, "error code", holds, expected).map(Self)
    }
}

impl FromStr for JsonPointer {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let escapes = text.split('~').skip(1);
        let holds = text.starts_with('/')
            && text.len() <= 500
            && !text.chars().any(char::is_control)
            && escapes
                .into_iter()
                .all(|after| after.starts_with(['0', '1']));
        let expected = "a JSON pointer, as in `/usage/cost`";
        checked(text, "pointer", holds, expected).map(Self)
    }
}

impl JsonPointer {
    /// What stands there in `value`.
    #[must_use]
    pub fn find<'v>(&self, value: &'v serde_json::Value) -> Option<&'v serde_json::Value> {
        value.pointer(&self.0)
    }
}

/// What all of these words can do.
macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// The whole text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        text_like!($name);
    };
}

pub(crate) use text;

text!(FunctionName);
text!(ErrorCode);
text!(JsonPointer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_modal_and_replies_use() {
        for good in ["smoke", "my-fn_2.x"] {
            assert_eq!(good.parse::<FunctionName>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\n::error::", "ü", &"x".repeat(65)] {
            assert!(bad.parse::<FunctionName>().is_err(), "{bad}");
        }
        assert!("ERR_MISSING_SECRET".parse::<ErrorCode>().is_ok());
        for bad in ["", "err_x", "_X", "1X", "ERR X"] {
            assert!(bad.parse::<ErrorCode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pointers_find_what_they_point_to() {
        let value = serde_json::json!({"usage": {"a/b": [1, 2]}});
        let found = |text: &str| text.parse::<JsonPointer>().unwrap().find(&value).cloned();
        assert_eq!(found("/usage/a~1b/1"), Some(2.into()));
        assert_eq!(found("/usage/none"), None);
        for bad in ["", "usage", "/a~2", "/a~", "/a\nb"] {
            assert!(bad.parse::<JsonPointer>().is_err(), "{bad}");
        }
    }
}
