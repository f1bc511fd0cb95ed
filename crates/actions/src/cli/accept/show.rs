//! The report of the stage, for people.

use acceptance::{
    AcceptanceReport, AcceptedBy, Cases, ContractReport, ObjectsReport, ProvenImage, StackReport,
    SuiteReport,
};

use super::annotations::Places;
use crate::cli::accept_contract as contract;
use crate::cli::context::set;
use crate::cli::{output, summary};
use crate::runner::{Annotation, Level};

/// As many failed tests as people read in a summary.
const MOST_TESTS: usize = 100;

/// All of it, for standard output.
pub(super) fn text(report: &AcceptanceReport) -> String {
    if let Some(why) = &report.skipped {
        return format!("skipped: {why}\n");
    }
    let reduced = match (report.reduced, report.partial) {
        (true, _) => "reduced: not everything was asked for, so that this gives no receipts\n",
        (false, true) => {
            "partial: some processors were left out, so that the suite gives no receipts\n"
        }
        (false, false) => "",
    };
    format!(
        "{}{}contract: {}\nstack: {}\nsuite: {}\n{}{reduced}",
        contract::table(&report.contract),
        accepted_table(report),
        contract::line(&report.contract),
        stack(&report.stack),
        suite(&report.suite),
        report
            .objects
            .as_ref()
            .map(|it| format!("artifacts: {}\n", objects(it)))
            .unwrap_or_default()
    )
}

/// One line about what there was to prove.
pub(super) fn line(report: &AcceptanceReport) -> String {
    if let Some(why) = &report.skipped {
        return format!("skipped: {why}");
    }
    let is_there = |suite: &SuiteReport| !matches!(suite, SuiteReport::NotConfigured { .. });
    match (&report.contract, &report.suite) {
        (ContractReport::Accepted, SuiteReport::Accepted { .. }) => accepted(report),
        (ContractReport::NotConfigured { .. }, it) => suite(it),
        (it, other) if is_there(other) => format!("{}; {}", contract::line(it), suite(other)),
        (it, _) => contract::line(it),
    }
}

/// The same for the summary of a job.
pub(super) fn markdown(report: &AcceptanceReport, places: &Places<'_>) -> String {
    if let Some(why) = &report.skipped {
        return summary::section(
            "Acceptance: skipped",
            &format!("{}\n", summary::escape(why)),
        );
    }
    let mut text = contract::markdown(&report.contract);
    text.push_str(&suite_markdown(&report.suite, places));
    text.extend(report.objects.iter().map(objects_markdown));
    let rows: Vec<Vec<String>> = accepted_rows(report)
        .map(|(image, by)| {
            let said =
                |text: Option<String>| text.map_or("–".to_owned(), |it| summary::escape(&it));
            vec![
                summary::code(&image.reference.to_string()),
                by.part.to_string(),
                summary::code(by.receipt.digest.short()),
                said(by.when()),
                said(by.by.clone()),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let heading = format!("Acceptance: {}", accepted(report));
        text.push_str(&summary::section(
            &heading,
            &summary::table(&HEADING, rows.into_iter()),
        ));
    }
    text
}

/// What there is to know of each service when something did not pass: its state, its health checks
/// and its last lines.
pub(super) fn services(report: &AcceptanceReport) -> String {
    let mut text = String::new();
    for service in report.stack.diagnoses() {
        text.push_str(&format!("service {}: {}", service.service, service.state));
        if let Some(code) = service.exit_code {
            text.push_str(&format!(" with code {code}"));
        }
        if let Some(health) = &service.health {
            text.push_str(&format!(", {health}"));
        }
        text.push('\n');
        for check in &service.checks {
            text.push_str(&format!("  check: {}\n", check.replace('\n', " ")));
        }
        for line in &service.log {
            text.push_str(&format!("  | {line}\n"));
        }
        text.push('\n');
    }
    text
}

/// Tells a workflow, where nobody reads a log that is green, what was left out and why.
pub(super) fn notice(report: &AcceptanceReport) -> Option<Annotation> {
    set("GITHUB_ACTIONS")?;
    let message = match &report.skipped {
        Some(why) => format!("skipped: {why}"),
        None => {
            let lines: Vec<String> = accepted_rows(report)
                .map(|(image, by)| format!("{} {}: receipt {by}", image.reference, by.part))
                .collect();
            if lines.is_empty() {
                return None;
            }
            format!("{}\n{}", accepted(report), lines.join("\n"))
        }
    };
    Some(Annotation {
        level: Level::Notice,
        place: None,
        title: Some("Acceptance".to_owned()),
        message,
    })
}

const HEADING: [&str; 5] = ["processor", "passed already", "receipt", "when", "by"];

fn accepted_rows(report: &AcceptanceReport) -> impl Iterator<Item = (&ProvenImage, &AcceptedBy)> {
    let images = report.images.iter();
    images.flat_map(|image| image.accepted.iter().map(move |by| (image, by)))
}

fn accepted(report: &AcceptanceReport) -> String {
    let images = report.images.iter();
    let accepted = images.filter(|image| !image.accepted.is_empty()).count();
    format!(
        "{accepted} of {} processors passed already, by their receipts",
        report.images.len()
    )
}

fn accepted_table(report: &AcceptanceReport) -> String {
    let rows: Vec<Vec<String>> = accepted_rows(report)
        .map(|(image, by)| {
            let said = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
            vec![
                image.reference.to_string(),
                by.part.to_string(),
                by.receipt.digest.to_string(),
                said(by.when()),
                said(by.by.clone()),
            ]
        })
        .collect();
    match rows.is_empty() {
        true => String::new(),
        false => output::table(&HEADING, &rows) + "\n",
    }
}

fn stack(report: &StackReport) -> String {
    match report {
        StackReport::Ran {
            services,
            up_seconds,
            ..
        } => {
            let names: Vec<&str> = services.iter().map(|one| one.name.as_str()).collect();
            format!("{} healthy after {up_seconds:.1} s", names.join(", "))
        }
        StackReport::Failed { .. } => "did not come up".to_owned(),
        StackReport::Accepted => "not needed".to_owned(),
        StackReport::NotConfigured { add } => format!("not configured: add {add}"),
    }
}

fn suite(report: &SuiteReport) -> String {
    match report {
        SuiteReport::Ran {
            command,
            exit,
            seconds,
            cases,
            ..
        } => {
            let ended = match exit {
                Some(0) if cases.as_ref().is_none_or(Cases::is_passed) => "passed".to_owned(),
                Some(code) => format!("failed with exit code {code}"),
                None => "was ended".to_owned(),
            };
            let counted = cases
                .as_ref()
                .map(|cases| format!(", {} tests", cases.tests))
                .unwrap_or_default();
            format!(
                "`{}` {ended} after {seconds:.1} s{counted}",
                command.join(" ")
            )
        }
        SuiteReport::NotRun => "did not run".to_owned(),
        SuiteReport::Accepted { .. } => "passed already with these images".to_owned(),
        SuiteReport::NotConfigured { add } => format!("not configured: add {add}"),
    }
}

fn objects(report: &ObjectsReport) -> String {
    let ObjectsReport {
        bucket,
        objects,
        wrong,
        ..
    } = report;
    match wrong {
        0 => format!("{objects} objects in `{bucket}`, all declared"),
        _ => format!("{wrong} of {objects} objects in `{bucket}` are wrong"),
    }
}

fn objects_markdown(report: &ObjectsReport) -> String {
    let wrong = report.violations.iter().take(MOST_TESTS);
    let rows: Vec<Vec<String>> = wrong
        .map(|violation| {
            let key = violation.artifact.as_deref().unwrap_or_default();
            vec![
                summary::code(key),
                summary::escape(&violation.what),
                summary::escape(&violation.expected),
                summary::escape(&violation.got),
            ]
        })
        .collect();
    let body = match rows.is_empty() {
        true => String::new(),
        false => summary::table(&["object", "what", "expected", "got"], rows.into_iter()),
    };
    let heading = format!("Artifacts: {}", summary::escape(&objects(report)));
    summary::section(&heading, &body)
}

fn suite_markdown(report: &SuiteReport, places: &Places<'_>) -> String {
    let SuiteReport::Ran { cases, .. } = report else {
        return String::new();
    };
    let body = cases.as_ref().map(|cases| counted(cases, places));
    let heading = format!("Suite: {}", summary::escape(&suite(report)));
    summary::section(&heading, &body.unwrap_or_default())
}

fn counted(cases: &Cases, places: &Places<'_>) -> String {
    let failed = cases.failures + cases.errors;
    let passed = cases.tests.saturating_sub(failed + cases.skipped);
    let counts = [
        cases.tests,
        passed,
        cases.failures,
        cases.errors,
        cases.skipped,
    ];
    let row: Vec<String> = counts.iter().map(ToString::to_string).collect();
    let heading = ["tests", "passed", "failed", "broken", "skipped"];
    let mut text = summary::table(&heading, std::iter::once(row));
    if cases.failed.is_empty() {
        return text;
    }
    let rows = cases.failed.iter().take(MOST_TESTS).map(|case| {
        let file = case.file.as_deref().and_then(|file| places.of_test(file));
        let place = file.map(|file| {
            let line = case.line.map(|line| format!(":{line}")).unwrap_or_default();
            summary::code(&format!("{}{line}", file.display()))
        });
        vec![
            summary::escape(&case.name),
            place.unwrap_or_else(|| "–".to_owned()),
            summary::escape(&case.message),
        ]
    });
    text.push('\n');
    text.push_str(&summary::table(&["test", "where", "what is wrong"], rows));
    match failed.saturating_sub(MOST_TESTS) {
        0 => text,
        more => format!("{text}\n… and {more} more; the report has them.\n"),
    }
}
