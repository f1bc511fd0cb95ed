use std::fmt::Write as _;

use super::{Outcome, Verdict};

/// The line that ends a check while the run goes on.
pub(crate) fn line(outcome: &Outcome) -> String {
    let first = outcome.details.first().map(String::as_str);
    let detail = first.map_or_else(String::new, |text| format!(", {text}"));
    format!(
        "{}: {} in {:.1} s{detail}",
        outcome.name,
        word(&outcome.verdict),
        outcome.seconds
    )
}

/// The table at the end: one row a check, and below it everything that failed.
pub(crate) fn render(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<14} {:<12} {:>8}  details\n",
        "check", "verdict", "seconds"
    );
    for outcome in outcomes {
        let mut details = outcome.details.iter();
        let first = details.next().map_or("", String::as_str);
        let row = format!(
            "{:<14} {:<12} {:>8.1}  {first}",
            outcome.name,
            word(&outcome.verdict),
            outcome.seconds
        );
        let _ = writeln!(text, "{}", row.trim_end());
        for more in details {
            let _ = writeln!(text, "{:<38}{more}", "");
        }
    }
    let with = |verdict: Verdict| {
        let names = outcomes.iter().filter(move |it| it.verdict == verdict);
        names.map(|it| it.name).collect::<Vec<_>>()
    };
    let (failed, unchecked) = (with(Verdict::Failed), with(Verdict::NotChecked));
    text.push_str(&match failed.len() {
        0 => "no check failed".to_owned(),
        n => format!(
            "{n} of {} checks failed: {}",
            outcomes.len(),
            failed.join(", ")
        ),
    });
    if !unchecked.is_empty() {
        let _ = write!(text, "; not checked: {}", unchecked.join(", "));
    }
    text
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::NotChecked => "not checked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &'static str, verdict: Verdict, details: &[&str]) -> Outcome {
        Outcome {
            name,
            verdict,
            seconds: 1.25,
            details: details.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn names_every_failure_and_what_was_not_checked() {
        let outcomes = [
            outcome("formatting", Verdict::Passed, &[]),
            outcome("advisories", Verdict::NotChecked, &["database unreachable"]),
            outcome(
                "tests",
                Verdict::Failed,
                &["9 passed, 2 failed", "a::b", "c::d"],
            ),
        ];
        insta::assert_snapshot!(render(&outcomes), @r"
        check          verdict       seconds  details
        formatting     passed            1.2
        advisories     not checked       1.2  database unreachable
        tests          FAILED            1.2  9 passed, 2 failed
                                              a::b
                                              c::d
        1 of 3 checks failed: tests; not checked: advisories
        ");
        insta::assert_snapshot!(line(&outcomes[2]), @"tests: FAILED in 1.2 s, 9 passed, 2 failed");
        insta::assert_snapshot!(render(&outcomes[..1]), @r"
        check          verdict       seconds  details
        formatting     passed            1.2
        no check failed
        ");
    }
}
