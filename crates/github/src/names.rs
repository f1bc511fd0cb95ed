use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::GithubError;

/// A repository on GitHub: `owner/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName {
    owner: String,
    name: String,
}

/// The id of a commit: 40 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitSha(String);

/// The id of an object in GitHub's GraphQL API; the default is none of any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(String);

impl RepoName {
    /// The person or organization: `acme`.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name without the owner: `processors`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for RepoName {
    type Err = GithubError;

    fn from_str(text: &str) -> Result<Self, GithubError> {
        let word = |part: &str| {
            (1..=100).contains(&part.len())
                && part != "."
                && part != ".."
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if word(owner) && word(name) => Ok(Self {
                owner: owner.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(GithubError::invalid(
                "repository",
                text,
                "owner/name, as in acme/processors",
            )),
        }
    }
}

impl CommitSha {
    /// The first 7 digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }

    /// All 40 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CommitSha {
    type Err = GithubError;

    fn from_str(text: &str) -> Result<Self, GithubError> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 40 && text.bytes().all(digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(GithubError::invalid(
                "commit id",
                text,
                "40 lower-case hexadecimal digits",
            ))
        }
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl fmt::Display for CommitSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl TryFrom<String> for $name {
            type Error = GithubError;

            fn try_from(text: String) -> Result<Self, GithubError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

text_newtype!(RepoName);
text_newtype!(CommitSha);

/// Refuses what git would refuse as a branch name, before it becomes part of an address.
pub(crate) fn check_branch(branch: &str) -> Result<(), GithubError> {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let good = branch.len() <= 250
        && branch.split('/').all(part)
        && branch != "@"
        && !branch.starts_with('-')
        && !branch.ends_with('.')
        && !branch.contains("..")
        && !branch.contains("@{")
        && !branch
            .chars()
            .any(|c| c.is_control() || " ~^:?*[\\".contains(c));
    if good {
        Ok(())
    } else {
        Err(GithubError::invalid(
            "branch",
            branch,
            "a name that git takes (see `git help check-ref-format`)",
        ))
    }
}

/// Refuses paths that are not plainly inside the repository.
pub(crate) fn check_path(path: &str) -> Result<(), GithubError> {
    let part = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    if path.split('/').all(part) && !path.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(GithubError::invalid(
            "path",
            path,
            "a path relative to the repository, without `.`, `..` or `.git`",
        ))
    }
}

/// `text` as part of an address; slashes stay.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names() {
        for good in ["acme/processors", "a/b.c_d-e", "Acme/.github"] {
            assert_eq!(good.parse::<RepoName>().unwrap().to_string(), good);
        }
        for bad in [
            "", "acme", "a/", "/b", "a/b/c", "a/..", "a b/c", "a/b?x", "a/b#",
        ] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn commit_ids() {
        let sha: CommitSha = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        assert_eq!(sha.short(), "0123456");
        for bad in [
            "",
            "main",
            "0123456789ABCDEF0123456789abcdef01234567",
            "0123456789abcdef0123456789abcdef0123456",
        ] {
            assert!(bad.parse::<CommitSha>().is_err(), "{bad}");
        }
    }

    #[test]
    fn branches_and_paths_that_would_leave_their_place_are_refused() {
        for good in ["dev", "bot/pin-1", "a.b", "feature/50%#1", "Ünïcode"] {
            check_branch(good).unwrap();
        }
        for bad in [
            "", "/a", "a/", "a//b", "a/../b", ".a", "a/.b", "a.lock", "a.", "a b", "a~1", "-a",
            "@", "a@{1}", "a\nb", "a:b", "a\\b",
        ] {
            assert!(check_branch(bad).is_err(), "{bad}");
        }
        check_path("code/a b/ü.yaml").unwrap();
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            ".git/config",
            "a/.GIT/x",
            "a\0",
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_encoded() {
        assert_eq!(encode("a/b c%2e#ü?"), "a/b%20c%252e%23%C3%BC%3F");
    }
}
