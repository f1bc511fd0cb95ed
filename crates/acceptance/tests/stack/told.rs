//! What a run found out is told, whatever became of the rest of it.

use acceptance::{AcceptanceError, StackReport, SuiteReport, Verdict, ViolationCode, receipts};
use receipts::statement::{Facts, Outcome};
use tokio_util::sync::CancellationToken;

use crate::processor::{Processor, cases, everything_left_of};
use crate::support::{Image, Repo, left_of};

/// Says more than what is kept, and is never healthy or at once.
fn talker(check: &str) -> String {
    format!(
        "services:\n  web:\n    image: IMAGE\n    command:\n      - sh\n      - -c\n      - \
         'i=0; while [ $$i -lt 250 ]; do i=$$((i+1)); echo line $$i; done; exec sleep 600'\n    \
         healthcheck: {{test: [CMD-SHELL, '{check}'], interval: 1s, retries: 2}}\n"
    )
}

/// The last lines of the only service, as the report has them in JSON.
fn lines(error: &AcceptanceError) -> Vec<String> {
    let report = serde_json::to_value(error.report().unwrap()).unwrap();
    let service = &report["stack"]["diagnoses"][0];
    assert_eq!(service["service"], "web", "{report}");
    assert!(!service["checks"].as_array().unwrap().is_empty());
    serde_json::from_value(service["log"].clone()).unwrap()
}

fn last_200() -> Vec<String> {
    (51..=250).map(|number| format!("line {number}")).collect()
}

#[tokio::test]
async fn a_broken_contract_is_told_even_if_the_stack_does_not_come_up() {
    let (processor, image) = (Processor::new().await, Image::new().await);
    let repo = Repo::new(
        &image,
        &talker("echo no; false"),
        Some("touch ../suite-ran"),
    );
    let section = "  cases:\n    - {name: bad, inputs: {do: 'exit 3'}}\n    - \
                   {name: good, inputs: {do: 'true'}}\n";
    let cancel = CancellationToken::new();
    let error = processor.accept(&repo, section, &cancel).await.unwrap_err();
    assert!(
        matches!(error, AcceptanceError::StackUp { .. }),
        "{error:?}"
    );
    let report = error.report().unwrap();
    let held: Vec<bool> = cases(report).iter().map(|case| case.is_passed()).collect();
    assert_eq!((held, report.verdict), (vec![false, true], Verdict::Failed));
    assert!(matches!(report.stack, StackReport::Failed { .. }));
    assert_eq!(report.suite, SuiteReport::NotRun);
    assert_eq!(lines(&error), last_200());
    // Of what did not run there is no receipt, and of the contract there is.
    let drafts = receipts(report, &Facts::default());
    let outcomes: Vec<_> = drafts.iter().map(|it| it.receipt.outcome()).collect();
    assert_eq!(outcomes, [Some(Outcome::Failed)]);
    assert_eq!(repo.text("suite-ran"), None);
    assert_eq!(everything_left_of(&report.project).await, [""; 0]);
}

#[tokio::test]
async fn a_suite_that_ends_with_0_and_failed_tests_has_not_passed() {
    let image = Image::new().await;
    let suite = r#"
        printf '<testsuite><testcase name="a"><failure message="no"/></testcase></testsuite>' > "$PIPELINE_REPORT_DIR/j.xml"
        true -pytest
    "#;
    let repo = Repo::new(&image, &talker("true"), Some(suite));
    let error = repo
        .accept(&[], &CancellationToken::new())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("exit code 0, 1 of 1 cases failed\n  a: no"),
        "{text}"
    );
    let report = error.report().unwrap();
    assert_eq!(report.verdict, Verdict::Failed);
    assert!(
        matches!(report.suite, SuiteReport::Ran { exit: Some(0), .. }),
        "{report:?}"
    );
    assert_eq!(lines(&error), last_200());
    assert!(error.hint().unwrap().contains("each service"));
    assert_eq!(left_of(&report.project).await, [""; 0]);
}

#[tokio::test]
async fn a_suite_that_cannot_start_keeps_what_the_contract_found() {
    let processor = Processor::new().await;
    let mut repo = Repo::bare(None);
    repo.options.command = Some(vec!["no-such-program".into()]);
    let section = "  cases: [{name: bad, inputs: {do: 'exit 3'}}]\n";
    let cancel = CancellationToken::new();
    let error = processor.accept(&repo, section, &cancel).await.unwrap_err();
    assert!(
        matches!(error, AcceptanceError::SuiteStart { .. }),
        "{error:?}"
    );
    let report = error.report().unwrap();
    assert_eq!(cases(report)[0].violations[0].code, ViolationCode::ExitCode);
    assert_eq!(report.suite, SuiteReport::NotRun);
}

#[tokio::test]
async fn the_memory_of_what_ends_at_once_is_measured() {
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    let one = |name: &str, what: &str, most: u32| {
        format!(
            "    - {{name: {name}, mode: real, inputs: {{do: '{what}'}}, budget: {{memory-mib: {most}}}}}\n"
        )
    };
    let mut section = "  limits: {memory-mib: 256}\n  cases:\n".to_owned();
    for name in ["a", "b", "c", "d", "e", "f"] {
        section.push_str(&one(name, "true", 32));
    }
    let holds = "x=$(dd if=/dev/zero bs=1M count=12 2>/dev/null | cat -A)";
    section.push_str(&one("holds", holds, 1));
    let cancel = CancellationToken::new();
    let error = processor
        .accept(&repo, &section, &cancel)
        .await
        .unwrap_err();
    let cases = cases(error.report().unwrap());
    let (last, quick) = cases.split_last().unwrap();
    for case in quick {
        assert!(case.is_passed(), "{case:?}");
        // What starts it holds much more.
        let peak = case.peak_memory_bytes.unwrap();
        assert!(peak < 4 << 20, "{peak}");
    }
    assert_eq!(last.violations.len(), 1, "{last:?}");
    assert_eq!(last.violations[0].code, ViolationCode::PeakMemory);
}
