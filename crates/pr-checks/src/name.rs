use serde::{Deserialize, Serialize};

use crate::ChecksError;

const LONGEST: usize = 60;

/// The name of a check: lower-case letters, digits and hyphens, at most 60 of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CheckName(String);

impl CheckName {
    /// Reads a name.
    ///
    /// # Errors
    /// When it has other characters, begins with a hyphen, is empty or too long.
    pub fn new(text: impl Into<String>) -> Result<Self, ChecksError> {
        let text = text.into();
        let fits = !text.is_empty()
            && text.len() <= LONGEST
            && !text.starts_with('-')
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        match fits {
            true => Ok(Self(text)),
            false => Err(ChecksError::Name { text }),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For names that stand in this crate's source.
    pub(crate) fn ours(text: &'static str) -> Self {
        debug_assert!(Self::new(text).is_ok(), "{text}");
        Self(text.to_owned())
    }
}

impl TryFrom<String> for CheckName {
    type Error = ChecksError;

    fn try_from(text: String) -> Result<Self, ChecksError> {
        Self::new(text)
    }
}

impl From<CheckName> for String {
    fn from(name: CheckName) -> Self {
        name.0
    }
}

impl std::fmt::Display for CheckName {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_names() {
        assert!(CheckName::new("ruff-format").is_ok());
        for bad in ["", "-a", "a/b", "..", "A", "a b", "a\n", &"a".repeat(61)] {
            assert!(CheckName::new(bad).is_err(), "{bad:?}");
        }
    }
}
