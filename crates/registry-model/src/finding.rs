//! What is wrong with a registry file, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use saphyr_parser::Marker;
use serde::Serialize;

/// A place in a text. Lines and columns count from 1; columns count characters, not bytes, and a
/// byte order mark does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    pub(crate) fn of(marker: Marker) -> Self {
        Self {
            line: marker.line().max(1),
            column: marker.col() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The registry can be used all the same.
    Warning,
    /// The registry can't be used until this is put right.
    Error,
}

/// One thing that is wrong with a registry file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Finding {
    /// One of [`CODES`]; it never changes its meaning.
    pub code: &'static str,
    /// The registry file, relative to the root of the repository. What is wrong with a pattern
    /// has the pattern here, what is wrong with the repository its path or `.`.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// How bad it is.
    pub severity: Severity,
}

impl Finding {
    /// Whether it is about a line of a file, and not about the repository or a pattern.
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.file.is_relative() && self.file != Path::new(".") && self.code != code::BAD_GLOB
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            code,
            ..
        } = self;
        if self.has_place() {
            write!(f, "{}:{line}:{column}: ", file.display())?;
        } else if file != Path::new(".") {
            write!(f, "`{}`: ", file.display())?;
        }
        write!(f, "{message} [{code}]")
    }
}

/// Everything that is wrong with a registry, in the order of files and lines.
///
/// As an error it displays their number and then one finding a line, with its cure below it:
///
/// ```text
/// read the registry files: 2 problems
///   code/a.yaml:3:8: `image.oci`: `ghcr.io/a/b:1` names an image by a tag, which can move [bad-image]
///   code/b.yaml:2:21: the Dockerfile code/x does not exist [missing-dockerfile]
///     hint: create it, or name another with `build.dockerfile`
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|a, b| {
            (&a.file, a.line, a.column, a.code).cmp(&(&b.file, b.line, b.column, b.code))
        });
        Self(findings)
    }

    /// The findings.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.0
    }

    /// The findings, one at a time.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    /// The cures of the findings, each once, one a line. They are in the display as well.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let mut hints: Vec<&str> = Vec::new();
        for hint in self.0.iter().filter_map(|finding| finding.hint.as_deref()) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        (!hints.is_empty()).then(|| hints.join("\n"))
    }

    /// Always `false`: loading takes no time that would be worth cancelling.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        false
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let problems = if count == 1 { "problem" } else { "problems" };
        write!(f, "read the registry files: {count} {problems}")?;
        for finding in &self.0 {
            write!(f, "\n  {finding}")?;
            if let Some(hint) = &finding.hint {
                write!(f, "\n    hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

macro_rules! codes {
    ($($name:ident = $text:literal, $meaning:literal;)*) => {
        pub(crate) mod code {
            $(pub(crate) const $name: &str = $text;)*
        }

        /// Every code a finding can have, and its meaning, in the order of the codes.
        pub const CODES: &[(&str, &str)] = &[$(($text, $meaning)),*];
    };
}

codes! {
    ALIAS_EXPANSION = "alias-expansion", "aliases make the document far larger than the file, or an anchor contains itself";
    BAD_ACCEPTANCE = "bad-acceptance", "a value below `acceptance` or `outputs` is not what it should be, is missing, or names a file that is not there";
    BAD_ARG_NAME = "bad-arg-name", "a name below `build.args` has other characters than letters, digits and `_`, or starts with a digit";
    BAD_DIGEST = "bad-digest", "what follows the `@` of an image is neither `sha256:` with 64 hexadecimal digits in lower case nor a placeholder";
    BAD_GLOB = "bad-glob", "a pattern for registry files can't be used: it is malformed, absolute, or leaves the repository";
    BAD_IMAGE = "bad-image", "an image is not `<registry>/<path>@sha256:…`: it has a tag, no digest, no repository or capital letters";
    BAD_PLATFORM = "bad-platform", "a key below `image.platforms` is no architecture";
    BAD_REF = "bad-ref", "`ref` is not `<namespace>/<name>@<version>`";
    BAD_SECRET_NAME = "bad-secret-name", "the name of a secret has other characters than letters, digits, `-`, `_`, `.`, or more than 64";
    BAD_SMOKE = "bad-smoke", "a value below `smoke` is not what it should be, is missing, or can't be sent as JSON";
    BAD_TYPE = "bad-type", "a field holds another kind of value than it should";
    DUPLICATE_APP = "duplicate-app", "two refs would be deployed as the same app";
    DUPLICATE_KEY = "duplicate-key", "a mapping has the same key twice";
    DUPLICATE_REF = "duplicate-ref", "two registry files have the same `ref`";
    MISSING_CONTEXT = "missing-context", "the folder of `build.context` does not exist";
    MISSING_DOCKERFILE = "missing-dockerfile", "the Dockerfile of an entry does not exist; a warning for an entry with `enabled: false`";
    MISSING_REF = "missing-ref", "no document of the file has a `ref`";
    NO_REGISTRY_FILES = "no-registry-files", "no file matches the patterns for registry files";
    NOT_UTF8 = "not-utf8", "the file is not UTF-8";
    PATH_ESCAPES = "path-escapes", "a path is absolute, or leaves the repository by `..` or by a symbolic link";
    SEVERAL_ENTRIES = "several-entries", "more than one document of the file has a `ref` or an `image`";
    TOO_LARGE = "too-large", "the file has more than 1 MiB";
    UNKNOWN_FIELD = "unknown-field", "a mapping that the pipeline reads in full has a key that it does not know";
    UNREADABLE = "unreadable", "a file or folder can't be read";
    YAML_SYNTAX = "yaml-syntax", "the file is not YAML";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(file: &str, line: usize, hint: Option<&str>) -> Finding {
        Finding {
            code: code::BAD_REF,
            file: file.into(),
            line,
            column: 6,
            message: "`ref` is bad".into(),
            hint: hint.map(Into::into),
            severity: Severity::Error,
        }
    }

    #[test]
    fn reads_well_after_failed_to() {
        let one = Findings::new(vec![finding("a.yaml", 2, None)]);
        insta::assert_snapshot!(format!("failed to {one}"), @r"
        failed to read the registry files: 1 problem
          a.yaml:2:6: `ref` is bad [bad-ref]
        ");
        let several = Findings::new(vec![
            finding("b.yaml", 3, None),
            finding("a.yaml", 2, Some("name it well")),
            finding(".", 1, Some("add one")),
        ]);
        insta::assert_snapshot!(format!("failed to {several}"), @r"
        failed to read the registry files: 3 problems
          `ref` is bad [bad-ref]
            hint: add one
          a.yaml:2:6: `ref` is bad [bad-ref]
            hint: name it well
          b.yaml:3:6: `ref` is bad [bad-ref]
        ");
    }

    #[test]
    fn codes_are_kebab_case_unique_and_sorted() {
        let names: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable_by_key(|code| code.replace('-', "_"));
        sorted.dedup();
        assert_eq!(names, sorted);
        for name in names {
            let kebab = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(name.bytes().all(kebab), "{name}");
        }
    }
}
