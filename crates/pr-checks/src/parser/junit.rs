use roxmltree::Node;

use super::Unreadable;
use crate::finding::{Findings, Raw};
use crate::place::Place;
use crate::xml;

/// The cases of a JUnit file that failed; one more finding when fewer than `at_least` ran.
pub(super) fn read(text: &str, at_least: u64, to: &mut Findings<'_>) -> Result<(), Unreadable> {
    let document = xml::parse(text).map_err(|error| Unreadable::new("the JUnit file", &error))?;
    let root = document.root_element().tag_name().name();
    if !matches!(root, "testsuites" | "testsuite") {
        return Err(Unreadable::new(
            "the JUnit file",
            &format!("it is a <{root}>"),
        ));
    }
    let mut ran = 0;
    // The sums in the attributes of suites are often wrong.
    let cases = document.descendants();
    for case in cases.filter(|node| node.has_tag_name("testcase")) {
        let outcome = |kind: &str| case.children().find(|node| node.has_tag_name(kind));
        if let Some(failure) = outcome("failure") {
            ran += 1;
            add(case, failure, "test-failed", to);
        } else if let Some(error) = outcome("error") {
            ran += 1;
            add(case, error, "test-error", to);
        } else if outcome("skipped").is_none() {
            ran += 1;
        }
    }
    if ran < at_least {
        to.add(Raw {
            rule: "too-few-tests",
            message: &match ran {
                0 => "no test ran: nothing was collected, or all of it was skipped".to_owned(),
                ran => format!("only {ran} tests ran, there should be at least {at_least}"),
            },
            ..Raw::default()
        });
    }
    Ok(())
}

fn add(case: Node<'_, '_>, outcome: Node<'_, '_>, rule: &str, to: &mut Findings<'_>) {
    let attribute = |name| case.attribute(name).unwrap_or_default();
    let name = [attribute("classname"), attribute("name")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(".");
    let trace = outcome.text().unwrap_or_default();
    // Of what could not even be set up or collected, the message is a part of the trace.
    let error = last_error(trace).filter(|_| outcome.has_tag_name("error"));
    let said = error
        .or(outcome.attribute("message"))
        .filter(|said| !said.trim().is_empty())
        .or(last_error(trace))
        .unwrap_or_default();
    let (file, line) = match case.attribute("file") {
        Some(file) => (
            Some(file),
            case.attribute("line").and_then(|line| line.parse().ok()),
        ),
        None => traced(trace, to.place()).unzip(),
    };
    to.add(Raw {
        file,
        line,
        rule,
        message: &format!("{name}: {said}"),
        ..Raw::default()
    });
}

/// Where a trace of pytest is last in a file of the repository: a line that starts with
/// `<file>:<line>:`, or is `<file>:<line>`.
fn traced<'a>(trace: &'a str, place: &Place) -> Option<(&'a str, u64)> {
    trace.lines().rev().find_map(|line| {
        let (file, rest) = line.split_once(':')?;
        let number = rest.split(':').next()?.parse().ok()?;
        let is_name = !file.contains(char::is_whitespace);
        (is_name && place.relative(file).is_some()).then_some((file, number))
    })
}

/// The last line of a trace of pytest that has an error: `E   ModuleNotFoundError: …`.
fn last_error(trace: &str) -> Option<&str> {
    let error = |line: &'_ str| line.starts_with("E  ");
    let line = trace.lines().rev().find(|line| error(line))?;
    Some(line[1..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::tests::{found, shown};
    use proptest::prelude::*;

    const REAL: &str = include_str!("../../tests/fixtures/junit.xml");

    #[test]
    fn what_pytest_writes() {
        let (read, findings) = found(|to| read(REAL, 1, to));
        assert_eq!(read, Ok(()));
        insta::assert_snapshot!(shown(&findings), @"
        Error code/tests/test_cart.py:12:- test-failed: tests.test_cart.test_discount: assert 5.0 == 6  +  where 5.0 = discount(10, 50)
        Error code/tests/test_cart.py:15:- test-error: tests.test_cart.test_broken: fixture 'missing_fixture' not found
        ");
    }

    #[test]
    fn what_pytest_writes_of_a_file_that_cannot_be_imported() {
        let text = include_str!("../../tests/fixtures/junit-collection.xml");
        let (_, findings) = found(|to| read(text, 1, to));
        insta::assert_snapshot!(shown(&findings), @"Error code/shop/cart.py:2:- test-error: tests.test_cart: ModuleNotFoundError: No module named 'yaml'");
    }

    #[test]
    fn nothing_collected_fails() {
        let text = include_str!("../../tests/fixtures/junit-empty.xml");
        let (_, findings) = found(|to| read(text, 1, to));
        insta::assert_snapshot!(shown(&findings), @"Error -:-:- too-few-tests: no test ran: nothing was collected, or all of it was skipped");
        assert_eq!(found(|to| read(text, 0, to)).1, Vec::new());
    }

    #[test]
    fn tests_that_are_all_skipped_have_proven_nothing() {
        let text = "<testsuite><testcase name='a'><skipped/></testcase></testsuite>";
        assert_eq!(found(|to| read(text, 1, to)).1[0].rule, "too-few-tests");
    }

    #[test]
    fn what_is_no_junit_cannot_be_read() {
        for text in [
            "",
            "<html/>",
            "<testsuite>",
            "not xml",
            "<testsuite a='1' a='2'/>",
        ] {
            assert!(found(|to| read(text, 1, to)).0.is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_torn_file_is_no_panic(at in 0..REAL.len(), noise in "\\PC{0,5}") {
            if let (Some(head), Some(tail)) = (REAL.get(..at), REAL.get(at..)) {
                let _ = found(|to| read(head, 1, to));
                let _ = found(|to| read(&format!("{head}{noise}{tail}"), 1, to));
            }
        }
    }
}
