use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::model::Why;

/// One way in which the inputs of an image differ from those of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InputChange {
    /// A file of the context is new.
    Added(PathBuf),
    /// A file of the context, or the Dockerfile, is another.
    Modified(PathBuf),
    /// A file of the context is gone.
    Removed(PathBuf),
    /// A base image moved, or is new or gone.
    Base {
        /// As `FROM` has it.
        name: String,
        /// What it was.
        from: Option<String>,
        /// What it is.
        to: Option<String>,
    },
    /// A build argument is another, or is new or gone. Values may be private: they are not told.
    Argument(String),
    /// The stage to build is another.
    Target,
    /// It is built for other platforms.
    Platforms,
    /// An option of the builder that changes bytes is another.
    Setting(String),
}

/// Texts from a repository are told up to this many characters.
const LONGEST: usize = 120;

/// `text` as code, short and on one line.
fn quoted(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() || c == '`' { '?' } else { c })
        .collect();
    let count = line.chars().count();
    if count <= LONGEST {
        return format!("`{line}`");
    }
    // The end tells more of a path than its beginning.
    let tail: String = line.chars().skip(count - LONGEST + 1).collect();
    format!("`…{tail}`")
}

/// The first digits of the digest in a reference.
fn short(reference: &str) -> Option<&str> {
    reference.split_once("@sha256:")?.1.get(..12)
}

impl fmt::Display for InputChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(path) => write!(f, "{} is new", quoted(&path.to_string_lossy())),
            Self::Modified(path) => write!(f, "{} changed", quoted(&path.to_string_lossy())),
            Self::Removed(path) => write!(f, "{} is gone", quoted(&path.to_string_lossy())),
            Self::Base { name, from, to } => {
                let name = quoted(name);
                match (from, to) {
                    (Some(from), Some(to)) => match (short(from), short(to)) {
                        (Some(from), Some(to)) if from != to => {
                            write!(f, "base {name} moved {from}→{to}")
                        }
                        _ => write!(f, "base {name} is another"),
                    },
                    (None, _) => write!(f, "base {name} is new"),
                    (_, None) => write!(f, "base {name} is gone"),
                }
            }
            Self::Argument(name) => write!(f, "build argument {} changed", quoted(name)),
            Self::Target => f.write_str("target changed"),
            Self::Platforms => f.write_str("platforms changed"),
            Self::Setting(name) => write!(f, "setting {} changed", quoted(name)),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstBuild => f.write_str("first build"),
            Self::Forced => f.write_str("forced"),
            Self::TooOld { made } => write!(f, "too old: made {}", made.strftime("%Y-%m-%d")),
            Self::InputsChanged => f.write_str("inputs changed"),
            Self::Changed {
                since,
                changes,
                more,
            } => {
                let Some(first) = changes.first() else {
                    return f.write_str("inputs changed");
                };
                write!(f, "{first} since pin {}", since.short())?;
                match changes.len() - 1 + more {
                    0 => Ok(()),
                    others => write!(f, " (and {others} more)"),
                }
            }
            Self::SameInputs => f.write_str("same inputs"),
            Self::NotAsked => f.write_str("not asked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_changed_in_few_words() {
        let digest = |hex: &str| format!("docker.io/library/python@sha256:{}", hex.repeat(64));
        let base = |from: Option<&str>, to: Option<&str>| InputChange::Base {
            name: "python:3.11-slim".into(),
            from: from.map(digest),
            to: to.map(digest),
        };
        let since = format!("sha256:{}", "ab".repeat(32)).parse().unwrap();
        let changed = |changes: Vec<InputChange>, more| Why::Changed {
            since,
            changes,
            more,
        };
        let why = changed(
            vec![
                InputChange::Modified("libs/x.py".into()),
                InputChange::Target,
            ],
            2,
        );
        let told = [
            why.to_string(),
            base(Some("a"), Some("b")).to_string(),
            base(None, Some("b")).to_string(),
            base(Some("a"), None).to_string(),
            InputChange::Argument("X".into()).to_string(),
            InputChange::Setting("label org.example".into()).to_string(),
            InputChange::Added("a`b\nc".into()).to_string(),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        `libs/x.py` changed since pin abababababab (and 3 more)
        base `python:3.11-slim` moved aaaaaaaaaaaa→bbbbbbbbbbbb
        base `python:3.11-slim` is new
        base `python:3.11-slim` is gone
        build argument `X` changed
        setting `label org.example` changed
        `a?b?c` is new
        ");
        let long = InputChange::Removed("x/".repeat(5000).into()).to_string();
        assert!(long.chars().count() < 140, "{long}");
    }
}
