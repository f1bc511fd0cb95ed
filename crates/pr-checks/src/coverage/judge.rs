use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{FileLines, Measured};
use crate::finding::{Findings, Raw, Severity};
use crate::{Changes, Percent};

/// The baseline should rise when this much more is covered, in hundredths of a percent: less is
/// the ups and downs of single commits.
const WORTH_RAISING: u32 = 50;
/// A proposed baseline is a multiple of this, in hundredths of a percent.
const STEP: u32 = 10;

/// What coverage must reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) baseline: Option<Percent>,
    pub(crate) changed_lines: Option<Percent>,
}

/// How much of the code the tests reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CoverageReport {
    /// Lines and branches together, as coverage.py counts, rounded down.
    pub covered: Percent,
    /// What it must reach.
    pub baseline: Option<Percent>,
    /// What the baseline could be now: a tenth of a percent or less below what is covered.
    pub proposed_baseline: Option<Percent>,
    /// The lines that have changed; none when that was not asked for or nothing to compare with
    /// was given.
    pub changed_lines: Option<ChangedLines>,
}

/// How many of the changed lines the tests reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ChangedLines {
    /// As many are reached …
    pub covered: u64,
    /// … of as many that could be.
    pub all: u64,
    /// The share that must be.
    pub threshold: Percent,
}

/// Judges what was measured. Pure.
pub(super) fn judge(
    measured: &Measured,
    rules: Rules,
    changes: Option<&Changes>,
    to: &mut Findings<'_>,
) -> CoverageReport {
    let (lines, branches) = (measured.lines, measured.branches);
    let covered = Percent::of(
        lines.covered.saturating_add(branches.covered),
        lines.all.saturating_add(branches.all),
    );
    if let Some(baseline) = rules.baseline.filter(|baseline| covered < *baseline) {
        to.add(Raw {
            rule: "coverage-baseline",
            message: &format!("{covered} of the code is covered, the baseline is {baseline}"),
            ..Raw::default()
        });
    }
    let changed_lines = rules
        .changed_lines
        .zip(changes)
        .map(|(threshold, changes)| changed(measured, threshold, changes, to));
    CoverageReport {
        covered,
        baseline: rules.baseline,
        proposed_baseline: proposal(covered, rules.baseline),
        changed_lines,
    }
}

/// The baseline that `covered` deserves, when it is worth a change.
fn proposal(covered: Percent, baseline: Option<Percent>) -> Option<Percent> {
    let now = covered.hundredths();
    let raised = Percent::from_hundredths(now - now % STEP);
    let before = baseline.map_or(0, Percent::hundredths);
    let full = now == 10_000 && before < now;
    (full || now >= before + WORTH_RAISING).then_some(raised)
}

fn changed(
    measured: &Measured,
    threshold: Percent,
    changes: &Changes,
    to: &mut Findings<'_>,
) -> ChangedLines {
    let nothing = FileLines::default();
    let touched = changes.lines.iter().map(|(file, ranges)| {
        let lines = measured.files.get(file).unwrap_or(&nothing);
        let within = |all: &BTreeSet<u64>| -> BTreeSet<u64> {
            let of = |range: &(u64, u64)| all.range(range.0..=range.1).copied().collect::<Vec<_>>();
            ranges
                .iter()
                .filter(|range| range.0 <= range.1)
                .flat_map(of)
                .collect()
        };
        (file, within(&lines.covered), within(&lines.missing))
    });
    let touched: Vec<_> = touched.collect();
    let covered: u64 = touched
        .iter()
        .map(|(_, covered, _)| covered.len() as u64)
        .sum();
    let missed: u64 = touched
        .iter()
        .map(|(_, _, missed)| missed.len() as u64)
        .sum();
    let all = covered + missed;
    let reached = Percent::of(covered, all);
    let fails = reached < threshold;
    if fails {
        to.add(Raw {
            rule: "coverage-of-changes",
            message: &format!(
                "{covered} of {all} changed lines are covered, {reached}; {threshold} must be"
            ),
            ..Raw::default()
        });
    }
    for (file, _, missed) in &touched {
        for (first, last) in runs(missed) {
            let lines = match first == last {
                true => "this changed line is".to_owned(),
                false => format!("the changed lines {first} to {last} are"),
            };
            to.add(Raw {
                // Each of them is a reason only when together they are too many.
                severity: (!fails).then_some(Severity::Note),
                file: to.place().absolute(file).as_deref(),
                line: Some(first),
                rule: "uncovered-change",
                message: &format!("{lines} not covered"),
                ..Raw::default()
            });
        }
    }
    ChangedLines {
        covered,
        all,
        threshold,
    }
}

/// Lines that follow each other, first and last.
fn runs(lines: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &line in lines {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(line) => *last = line,
            _ => runs.push((line, line)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::Tally;
    use crate::parser::tests::{found, shown};
    use proptest::prelude::*;

    fn measured() -> Measured {
        let lines = FileLines {
            covered: BTreeSet::from([1, 2, 3, 10]),
            missing: BTreeSet::from([4, 5, 11]),
        };
        Measured {
            lines: Tally {
                covered: 81,
                all: 95,
            },
            branches: Tally { covered: 4, all: 5 },
            files: [("code/a.py".to_owned(), lines)].into(),
        }
    }

    fn percent(value: f64) -> Option<Percent> {
        Percent::try_from(value).ok()
    }

    fn changes(ranges: &[(u64, u64)]) -> Changes {
        Changes {
            paths: ["code/a.py".to_owned()].into(),
            lines: [("code/a.py".to_owned(), ranges.to_vec())].into(),
        }
    }

    fn judged(
        baseline: Option<Percent>,
        changed_lines: Option<Percent>,
        changes: Option<&Changes>,
    ) -> (CoverageReport, String) {
        let rules = Rules {
            baseline,
            changed_lines,
        };
        let (report, findings) = found(|to| judge(&measured(), rules, changes, to));
        (report, shown(&findings))
    }

    #[test]
    fn the_baseline_is_a_floor() {
        assert_eq!(judged(percent(85.0), None, None).1, "");
        insta::assert_snapshot!(judged(percent(85.01), None, None).1, @"Error -:-:- coverage-baseline: 85 % of the code is covered, the baseline is 85.01 %");
    }

    #[test]
    fn the_baseline_rises_when_it_is_worth_it() {
        let proposed = |baseline| judged(baseline, None, None).0.proposed_baseline;
        assert_eq!(proposed(percent(84.6)), None);
        assert_eq!(proposed(percent(84.5)), percent(85.0));
        assert_eq!(proposed(percent(90.0)), None);
        assert_eq!(proposed(None), percent(85.0));
        assert_eq!(proposal(Percent::of(1, 1), percent(99.9)), percent(100.0));
        assert_eq!(proposal(Percent::of(1, 1), percent(100.0)), None);
    }

    #[test]
    fn too_few_changed_lines_are_an_error_at_each_place() {
        let changes = changes(&[(3, 6), (11, 40)]);
        let (report, shown) = judged(None, percent(80.0), Some(&changes));
        let changed = report.changed_lines.unwrap();
        assert_eq!((changed.covered, changed.all), (1, 4));
        insta::assert_snapshot!(shown, @"
        Error -:-:- coverage-of-changes: 1 of 4 changed lines are covered, 25 %; 80 % must be
        Error code/a.py:4:- uncovered-change: the changed lines 4 to 5 are not covered
        Error code/a.py:11:- uncovered-change: this changed line is not covered
        ");
    }

    #[test]
    fn enough_changed_lines_leave_notes() {
        let changes = changes(&[(1, 4)]);
        insta::assert_snapshot!(judged(None, percent(75.0), Some(&changes)).1, @"Note code/a.py:4:- uncovered-change: this changed line is not covered");
    }

    #[test]
    fn changes_that_no_test_can_reach_pass() {
        let (report, shown) = judged(None, percent(100.0), Some(&changes(&[(20, 30)])));
        assert_eq!((report.changed_lines.unwrap().all, shown.as_str()), (0, ""));
        assert_eq!(judged(None, percent(100.0), None).0.changed_lines, None);
    }

    proptest! {
        #[test]
        fn a_proposal_is_never_below_the_baseline_nor_above_what_is_covered(
            covered in 0_u32..=10_000, baseline in 0_u32..=10_000,
        ) {
            let (covered, baseline) =
                (Percent::from_hundredths(covered), Percent::from_hundredths(baseline));
            if let Some(proposed) = proposal(covered, Some(baseline)) {
                prop_assert!(proposed > baseline && proposed <= covered);
            }
        }

        #[test]
        fn no_range_is_a_panic(first in any::<u64>(), last in any::<u64>()) {
            judged(None, percent(50.0), Some(&changes(&[(first, last)])));
        }
    }
}
