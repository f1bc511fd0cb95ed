//! Checks that really run.

use pr_checks::{Check, Parser, Verdict};
use tokio_util::sync::CancellationToken;

fn check(name: &str, script: &str, parser: Parser) -> Check {
    Check {
        name: name.into(),
        command: vec!["sh".into(), "-c".into(), script.into()],
        directory: ".".into(),
        timeout_seconds: 20,
        parser,
    }
}

#[tokio::test]
async fn one_failure_does_not_hide_the_others() {
    let root = tempfile::tempdir().unwrap();
    let json = r#"[{"code":"E1","message":"m","filename":"a.py","location":{"row":3,"column":1}}]"#;
    let checks = [
        check("lint", &format!("echo '{json}'; exit 1"), Parser::RuffJson),
        check("fine", "true", Parser::ExitCode),
        check("broken", "echo reason; exit 2", Parser::ExitCode),
    ];
    let report = pr_checks::run(&checks, root.path(), 2, &CancellationToken::new()).await;
    assert!(!report.passed());
    let verdicts: Vec<_> = report.checks.iter().map(|check| check.verdict).collect();
    assert_eq!(
        verdicts,
        [Verdict::Failed, Verdict::Passed, Verdict::Failed]
    );
    assert_eq!(report.checks[0].findings[0].line, 3);
    assert!(
        report.checks[2]
            .detail
            .as_deref()
            .unwrap()
            .contains("reason")
    );
}

#[tokio::test]
async fn a_missing_program_is_a_failure_that_names_it() {
    let mut missing = check("lint", "", Parser::RuffJson);
    missing.command = vec!["no-such-linter".into()];
    let root = tempfile::tempdir().unwrap();
    let report = pr_checks::run(&[missing], root.path(), 2, &CancellationToken::new()).await;
    assert_eq!(report.checks[0].verdict, Verdict::Failed);
    assert!(
        report.checks[0]
            .detail
            .as_deref()
            .unwrap()
            .contains("no-such-linter")
    );
}
