//! The contract of the processors, for people.

use acceptance::{CaseReport, ContractReport};

use super::output;
use super::summary;

/// One line about all cases.
pub(super) fn line(report: &ContractReport) -> String {
    match report {
        ContractReport::Ran { cases, seconds } => {
            let passed = cases.iter().filter(|case| case.is_passed()).count();
            format!(
                "{passed} of {} cases passed after {seconds:.1} s",
                cases.len()
            )
        }
        ContractReport::Accepted => "passed already".to_owned(),
        ContractReport::NotConfigured { add } => format!("not configured: add {add}"),
    }
}

/// The cases as columns, and below them what is wrong with each; nothing when there are none.
pub(super) fn table(report: &ContractReport) -> String {
    let ContractReport::Ran { cases, .. } = report else {
        return String::new();
    };
    let rows: Vec<Vec<String>> = cases.iter().map(row).collect();
    let mut text = output::table(&HEADING, &rows);
    for case in cases.iter().filter(|case| !case.is_passed()) {
        text.push_str(&format!(
            "\n{}:{}: {} {}\n",
            case.file.display(),
            case.line,
            case.reference,
            case.name
        ));
        for violation in &case.violations {
            text.push_str(&format!("  {violation}\n"));
        }
        for line in &case.log {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text.push('\n');
    text
}

/// The same for the summary of a job.
pub(super) fn markdown(report: &ContractReport) -> String {
    let ContractReport::Ran { cases, .. } = report else {
        return String::new();
    };
    let rows = cases.iter().map(|case| {
        let mut cells: Vec<String> = row(case).iter().map(|cell| summary::escape(cell)).collect();
        let wrong = case.violations.iter();
        let wrong: Vec<String> = wrong.map(|it| summary::escape(&it.to_string())).collect();
        cells.push(wrong.join("<br>"));
        cells
    });
    let heading: Vec<&str> = HEADING.into_iter().chain(["what is wrong"]).collect();
    summary::section(
        &format!("Contract: {}", line(report)),
        &summary::table(&heading, rows),
    )
}

const HEADING: [&str; 7] = [
    "processor",
    "case",
    "outcome",
    "wall",
    "memory",
    "output",
    "cost",
];

fn row(case: &CaseReport) -> Vec<String> {
    let outcome = match (case.violations.len(), case.runs) {
        (0, 1) => "passed".to_owned(),
        (0, runs) => format!("passed, {runs} runs alike"),
        (1, _) => "1 violation".to_owned(),
        (many, _) => format!("{many} violations"),
    };
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    let memory = case.peak_memory_bytes;
    vec![
        case.reference.to_string(),
        case.name.to_string(),
        outcome,
        or_dash(case.wall_seconds.map(|seconds| format!("{seconds:.2} s"))),
        or_dash(memory.map(|bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)))),
        format!("{} B", case.output_bytes),
        or_dash(case.cost_units.map(|cost| cost.to_string())),
    ]
}
