use crate::{Check, Parser};

/// The lint, format and unit-test checks of the runbook, for a repository with its code in `code/`.
#[must_use]
pub fn runbook() -> Vec<Check> {
    let check = |name: &str, command: &[&str], parser| Check {
        name: name.to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        directory: "code".into(),
        timeout_seconds: 600,
        parser,
    };
    vec![
        check(
            "ruff",
            &["ruff", "check", "--output-format", "json", "."],
            Parser::RuffJson,
        ),
        check(
            "ruff-format",
            &["ruff", "format", "--check", "."],
            Parser::ExitCode,
        ),
        check(
            "unit",
            &["pytest", "-q", "-m", "unit and not integration"],
            Parser::ExitCode,
        ),
    ]
}
