use regex::{Regex, RegexBuilder};

use super::Unreadable;
use crate::finding::{Findings, Raw, Severity};

/// Compiled, an expression takes no more memory than this.
const LARGEST: usize = 1 << 20;
/// Longer lines are cut: nobody reads them, and every match costs.
const LONGEST_LINE: usize = 4096;

/// Compiles the expression of a check, within bounds. Matching takes time linear in the text.
pub(crate) fn expression(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .size_limit(LARGEST)
        .dfa_size_limit(LARGEST)
        .build()
}

/// Hands on every line of `text` that `pattern` matches.
pub(super) fn matches(
    pattern: &str,
    text: &str,
    mut found: impl FnMut(Raw<'_>),
) -> Result<(), Unreadable> {
    let expression = expression(pattern)
        .map_err(|error| Unreadable::new("the regular expression of the check", &error))?;
    for line in text.lines() {
        let line = &line[..line.floor_char_boundary(LONGEST_LINE)];
        let Some(groups) = expression.captures(line) else {
            continue;
        };
        let group = |name| groups.name(name).map(|group| group.as_str());
        found(Raw {
            severity: group("severity").and_then(severity),
            file: group("file"),
            line: group("line").and_then(|line| line.parse().ok()),
            column: group("column").and_then(|column| column.parse().ok()),
            rule: group("rule").unwrap_or_default(),
            message: group("message").unwrap_or_default(),
        });
    }
    Ok(())
}

/// Lines of both streams that match.
pub(super) fn read(
    pattern: &str,
    streams: [&str; 2],
    to: &mut Findings<'_>,
) -> Result<(), Unreadable> {
    streams
        .into_iter()
        .try_for_each(|text| matches(pattern, text, |raw| to.add(raw)))
}

fn severity(text: &str) -> Option<Severity> {
    match text.to_ascii_lowercase().as_str() {
        "error" | "fatal" | "critical" => Some(Severity::Error),
        "warning" | "warn" => Some(Severity::Warning),
        "note" | "info" | "notice" => Some(Severity::Note),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::tests::{found, shown};
    use proptest::prelude::*;

    const SPHINX: &str = r"^(?P<file>[^:]+):(?P<line>\d+): (?P<severity>WARNING|ERROR): (?P<message>.*?)(?: \[(?P<rule>[\w.]+)\])?$";

    #[test]
    fn named_groups_are_the_parts_of_a_finding() {
        let out = "building [html]\nindex.md:4: WARNING: undefined label: 'x' [ref.ref]\n";
        let err = "index.md:9: ERROR: Unknown directive\n";
        let (read, findings) = found(|to| read(SPHINX, [out, err], to));
        assert_eq!(read, Ok(()));
        insta::assert_snapshot!(shown(&findings), @"
        Error code/index.md:9:- : Unknown directive
        Warning code/index.md:4:- ref.ref: undefined label: 'x'
        ");
    }

    #[test]
    fn an_expression_that_would_fill_the_memory_is_refused() {
        assert!(expression(r"(\w{500}){500}").is_err());
        assert!(expression("(").is_err());
    }

    #[test]
    fn an_expression_that_would_run_for_ever_elsewhere_ends() {
        let text = "a".repeat(1 << 20);
        let started = std::time::Instant::now();
        let (_, findings) = found(|to| read(r"(?P<message>(a+)+)$!", [&text, ""], to));
        assert_eq!(findings, Vec::new());
        assert!(started.elapsed().as_secs() < 10);
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,60}\n?\\PC{0,60}") {
            let _ = found(|to| read(SPHINX, [&text, &text], to));
        }
    }
}
