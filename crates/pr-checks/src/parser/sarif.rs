use serde::Deserialize;

use super::Unreadable;
use crate::finding::{Findings, Raw, Severity};

#[derive(Deserialize)]
struct Log {
    version: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    // `null` means that the results were not written.
    results: Option<Vec<SarifResult>>,
    #[serde(default)]
    invocations: Vec<Invocation>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    default_configuration: Option<Configuration>,
}

#[derive(Deserialize)]
struct Configuration {
    level: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    #[serde(default = "yes")]
    execution_successful: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: Option<String>,
    rule_index: Option<usize>,
    level: Option<String>,
    kind: Option<String>,
    baseline_state: Option<String>,
    message: Message,
    #[serde(default)]
    locations: Vec<Location>,
    #[serde(default)]
    suppressions: Vec<Suppression>,
}

#[derive(Deserialize)]
struct Suppression {
    status: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    text: Option<String>,
    markdown: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Option<Physical>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Option<Artifact>,
    region: Option<Region>,
}

#[derive(Deserialize)]
struct Artifact {
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: Option<u64>,
    start_column: Option<u64>,
}

/// What SARIF 2.1 says: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>.
pub(super) fn read(text: &str, to: &mut Findings<'_>) -> Result<(), Unreadable> {
    let log: Log =
        serde_json::from_str(text).map_err(|error| Unreadable::new("the SARIF", &error))?;
    if !log.version.starts_with("2.1") {
        let why = format!("it is version {}, not 2.1", log.version.escape_debug());
        return Err(Unreadable::new("the SARIF", &why));
    }
    for run in &log.runs {
        let driver = &run.tool.driver;
        for result in run.results.iter().flatten().filter(|result| counts(result)) {
            add(result, &driver.rules, to);
        }
        if run.results.is_none()
            || run
                .invocations
                .iter()
                .any(|call| !call.execution_successful)
        {
            to.add(Raw {
                rule: "tool-failed",
                message: &format!("{} did not run to its end", driver.name),
                ..Raw::default()
            });
        }
    }
    Ok(())
}

/// Not what passed, has gone, or was accepted.
fn counts(result: &SarifResult) -> bool {
    let passed = matches!(result.kind.as_deref(), Some("pass" | "notApplicable"));
    let gone = result.baseline_state.as_deref() == Some("absent");
    let accepted = result
        .suppressions
        .iter()
        .any(|one| matches!(one.status.as_deref(), None | Some("accepted")));
    !passed && !gone && !accepted
}

fn add(result: &SarifResult, rules: &[Rule], to: &mut Findings<'_>) {
    let rule = match (result.rule_index, &result.rule_id) {
        (Some(index), _) => rules.get(index),
        // The id may name a part of a rule: `CA1000/1`.
        (None, Some(id)) => rules.iter().find(|rule| {
            id.strip_prefix(&rule.id)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }),
        (None, None) => None,
    };
    let configured = rule.and_then(|rule| rule.default_configuration.as_ref()?.level.as_deref());
    let severity = match (
        result.level.as_deref().or(configured),
        result.kind.as_deref(),
    ) {
        // What is no failure has no level.
        (None | Some("none"), Some("informational" | "open" | "review")) => Severity::Note,
        (Some("error"), _) => Severity::Error,
        (Some("note" | "none"), _) => Severity::Note,
        _ => Severity::Warning,
    };
    let place = result
        .locations
        .first()
        .and_then(|location| location.physical_location.as_ref());
    let uri = place.and_then(|place| place.artifact_location.as_ref()?.uri.as_deref());
    let path = uri.map(path_of);
    let region = place.and_then(|place| place.region.as_ref());
    let message = &result.message;
    to.add(Raw {
        severity: Some(severity),
        file: path.as_deref(),
        line: region.and_then(|region| region.start_line),
        column: region.and_then(|region| region.start_column),
        rule: result
            .rule_id
            .as_deref()
            .or(rule.map(|rule| rule.id.as_str()))
            .unwrap_or_default(),
        message: message
            .text
            .as_deref()
            .or(message.markdown.as_deref())
            .or(message.id.as_deref())
            .unwrap_or_default(),
    });
}

/// The path of `file:///a%20b.py` or `a%20b.py`.
fn path_of(uri: &str) -> String {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    percent_encoding::percent_decode_str(path)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::tests::{found, shown};
    use proptest::prelude::*;

    const REAL: &str = include_str!("../../tests/fixtures/ruff.sarif");

    #[test]
    fn what_ruff_writes() {
        let (read, findings) = found(|to| read(REAL, to));
        assert_eq!(read, Ok(()));
        insta::assert_snapshot!(shown(&findings), @"
        Error code/broken.py:1:7 invalid-syntax: Expected a parameter or the end of the parameter list
        Error code/broken.py:2:1 invalid-syntax: unexpected EOF while parsing
        Error code/shop/cart.py:1:1 I001: Import block is un-sorted or un-formatted
        Error code/shop/cart.py:1:8 F401: `os` imported but unused
        Error code/shop/cart.py:2:8 F401: `yaml` imported but unused
        Error code/tests/test_cart.py:1:1 I001: Import block is un-sorted or un-formatted
        ");
    }

    #[test]
    fn levels_come_from_the_result_then_the_rule_then_the_standard() {
        let text = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t","rules":[
            {"id":"A","defaultConfiguration":{"level":"error"}},{"id":"B"}]}},"results":[
            {"ruleIndex":0,"message":{"text":"from the rule"}},
            {"ruleId":"A/1","message":{"text":"from its parent"}},
            {"ruleId":"A","level":"note","message":{"text":"its own"}},
            {"ruleId":"B","message":{"markdown":"the standard's"},"locations":[{"physicalLocation":
              {"artifactLocation":{"uri":"a%20b.py"},"region":{"startLine":2}}}]},
            {"ruleId":"B","kind":"review","message":{"id":"no failure"}}]}]}"#;
        let (read, findings) = found(|to| read(text, to));
        assert_eq!(read, Ok(()));
        insta::assert_snapshot!(shown(&findings), @"
        Error -:-:- A: from the rule
        Error -:-:- A/1: from its parent
        Warning code/a b.py:2:- B: the standard's
        Note -:-:- A: its own
        Note -:-:- B: no failure
        ");
    }

    #[test]
    fn what_was_accepted_passed_or_is_gone_does_not_count() {
        let text = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t"}},"results":[
            {"kind":"pass","message":{}},{"baselineState":"absent","message":{}},
            {"suppressions":[{"kind":"inSource"}],"message":{}},
            {"suppressions":[{"status":"rejected"}],"message":{"text":"counts"}}]}]}"#;
        let (_, findings) = found(|to| read(text, to));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].message, "counts");
    }

    #[test]
    fn a_tool_that_broke_down_is_an_error() {
        for broken in [
            r#""results":[],"invocations":[{"executionSuccessful":false}]"#,
            r#""results":null"#,
        ] {
            let tool = r#""tool":{"driver":{"name":"t"}}"#;
            let text = format!(r#"{{"version":"2.1.0","runs":[{{{tool},{broken}}}]}}"#);
            let (_, findings) = found(|to| read(&text, to));
            assert_eq!(findings[0].rule, "tool-failed");
        }
    }

    #[test]
    fn anything_else_cannot_be_read() {
        for text in [
            "",
            "[]",
            r#"{"version":"1.0.0","runs":[]}"#,
            r#"{"version":"2.1.0"}"#,
        ] {
            assert!(found(|to| read(text, to)).0.is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_torn_file_is_no_panic(at in 0..REAL.len(), noise in "\\PC{0,5}") {
            if let (Some(head), Some(tail)) = (REAL.get(..at), REAL.get(at..)) {
                let _ = found(|to| read(&format!("{head}{noise}{tail}"), to));
            }
        }
    }
}
