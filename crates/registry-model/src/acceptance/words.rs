use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::NameError;
use crate::names::text_like;
use crate::smoke::{checked, text};

/// The name of an acceptance case: `two-boats`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CaseName(String);

/// Where a file lies below a folder: `image/picture.png`. It is relative, has `/` between its parts,
/// and no part is `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactPath(String);

/// What kind of file it is: `image/png`, without parameters.
///
/// Source: RFC 6838, section 4.2.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaType(String);

impl FromStr for CaseName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let holds = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        let expected = "at most 64 letters, digits, `-`, `_` and `.`";
        checked(text, "case", holds, expected).map(Self)
    }
}

impl FromStr for ArtifactPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let holds = text.len() <= 500
            && !text.chars().any(char::is_control)
            && text.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let expected = "a path below the folder, as in `image/picture.png`";
        checked(text, "path", holds, expected).map(Self)
    }
}

impl FromStr for MediaType {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b);
        let word = |part: &str| (1..=127).contains(&part.len()) && part.bytes().all(allowed);
        let holds = text
            .split_once('/')
            .is_some_and(|(kind, name)| word(kind) && word(name));
        let expected = "a media type in lower case, as in `image/png`";
        checked(text, "media type", holds, expected).map(Self)
    }
}

text!(CaseName);
text!(ArtifactPath);
text!(MediaType);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_folder() {
        for good in ["a", "image/picture.png", "a b/ü"] {
            assert_eq!(good.parse::<ArtifactPath>().unwrap().as_str(), good);
        }
        for bad in ["", "/a", "a/", "a//b", ".", "a/../b", "..", "a\nb"] {
            assert!(bad.parse::<ArtifactPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn media_types_have_two_parts() {
        for good in ["image/png", "application/vnd.api+json", "image/svg+xml"] {
            assert!(good.parse::<MediaType>().is_ok(), "{good}");
        }
        for bad in [
            "png",
            "image/",
            "Image/PNG",
            "text/plain; charset=utf-8",
            "a/b/c",
        ] {
            assert!(bad.parse::<MediaType>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cases_are_named_by_one_word() {
        assert!("two-boats_2.x".parse::<CaseName>().is_ok());
        for bad in ["", "a b", "a/b", "a\n::error::"] {
            assert!(bad.parse::<CaseName>().is_err(), "{bad}");
        }
    }
}
