//! What a run, or no run, means. Pure.

use std::collections::BTreeMap;

use process::ProcessError;

use super::one::Ended;
use crate::coverage::CoverageReport;
use crate::finding::{Findings, Raw};
use crate::parser::Unreadable;
use crate::source::Printed;
use crate::text::{last_lines, plain};
use crate::{Action, Check, CheckName, Planned, Verdict};

const DETAIL_LINES: usize = 40;
const LONGEST_LINE: usize = 400;

/// How a program ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Success,
    Code(i32),
}

/// The end of a check that does not run; none when it runs, or that is not known yet.
pub(super) fn without_run(
    planned: &Planned,
    ended: &BTreeMap<CheckName, Ended>,
    cancelled: bool,
) -> Option<Ended> {
    match (planned.action, &planned.kept) {
        (Action::Skip, _) => return Some(Ended::new(Verdict::SkippedPaths, &planned.why)),
        (Action::Reuse, Some(kept)) => {
            return Some(Ended {
                findings: kept.findings.clone(),
                left_out: kept.left_out,
                coverage: kept.coverage.clone(),
                ..Ended::new(Verdict::Reused, &planned.why)
            });
        }
        _ => {}
    }
    if cancelled {
        return Some(Ended::new(
            Verdict::Interrupted,
            "interrupted before it began",
        ));
    }
    let end = |need| Some((need, ended.get(need)?.verdict));
    let mut needs = planned.check.needs.iter().filter_map(end);
    let (need, _) = needs.find(|(_, verdict)| !verdict.is_good())?;
    let why = format!("it needs `{need}`, which did not pass");
    Some(Ended::new(Verdict::SkippedNeeds, why))
}

/// The end of a check whose program did not end by itself, or did not begin.
pub(super) fn not_run(check: &Check, error: &ProcessError, printed: &Printed) -> Ended {
    let program = check
        .command
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    let (why, hint) = match error {
        ProcessError::Cancelled { .. } => {
            return Ended::new(Verdict::Interrupted, "interrupted");
        }
        ProcessError::NotFound { .. } => match &check.package {
            Some(package) => (
                format!(
                    "`{program}` is missing: install the package `{}`",
                    package.name
                ),
                Some(package.install()),
            ),
            None => (
                format!("`{program}` is missing: no such program on `PATH`"),
                Some("set `package` of the check to what installs it".to_owned()),
            ),
        },
        ProcessError::TimedOut { .. } => (
            format!("still running after {} s, ended", check.timeout_seconds),
            Some("raise `timeout-seconds` of the check".to_owned()),
        ),
        ProcessError::Failed { status, .. } => (format!("`{program}` was {status}"), None),
        ProcessError::Start { source, .. } | ProcessError::Follow { source, .. } => {
            (format!("`{program}` cannot be run: {source}"), None)
        }
        other => (plain(&other.to_string(), LONGEST_LINE), None),
    };
    Ended {
        hint,
        detail: detail(printed),
        ..Ended::new(Verdict::Broken, why)
    }
}

/// The end of a check whose program ended by itself. `measures` tells that it is one for coverage.
pub(super) fn of(
    exit: Exit,
    read: Result<Option<CoverageReport>, Unreadable>,
    measures: bool,
    mut findings: Findings<'_>,
    printed: &Printed,
) -> Ended {
    let said = detail(printed);
    let coverage = match (read, exit) {
        (Ok(coverage), _) => coverage,
        // When its tests fail, it need not come to measuring: that says enough of the code.
        (Err(_), Exit::Code(_)) if measures => None,
        (Err(Unreadable(why)), _) => {
            let why = match exit {
                Exit::Success => why,
                Exit::Code(code) => format!("exit code {code}, and {why}"),
            };
            let (findings, left_out) = findings.finish();
            return Ended {
                findings,
                left_out,
                detail: said,
                ..Ended::new(Verdict::Broken, plain(&why, LONGEST_LINE))
            };
        }
    };
    let mut is_told = true;
    if let (Exit::Code(code), false) = (exit, findings.has_errors()) {
        is_told = false;
        let last = last_lines(&printed.stderr, 1, LONGEST_LINE);
        let last = match last.is_empty() {
            true => last_lines(&printed.stdout, 1, LONGEST_LINE),
            false => last,
        };
        findings.add(Raw {
            rule: "exit-code",
            message: format!("exit code {code}: {last}").trim_end_matches([':', ' ']),
            ..Raw::default()
        });
    }
    let failed = findings.has_errors();
    let (findings, left_out) = findings.finish();
    let (verdict, why) = match failed {
        true => (Verdict::Failed, counted(findings.len() + left_out)),
        false => (Verdict::Passed, "passed".to_owned()),
    };
    Ended {
        findings,
        left_out,
        coverage,
        detail: said.filter(|_| !is_told),
        ..Ended::new(verdict, why)
    }
}

fn counted(findings: usize) -> String {
    match findings {
        1 => "1 finding".to_owned(),
        more => format!("{more} findings"),
    }
}

/// The last lines of what was printed.
fn detail(printed: &Printed) -> Option<String> {
    let streams = [&printed.stdout, &printed.stderr];
    let lines = streams.map(|text| last_lines(text, DETAIL_LINES, LONGEST_LINE));
    let text = lines.join("\n").trim_matches('\n').to_owned();
    (!text.is_empty()).then_some(text)
}
