//! The JUnit files that a suite leaves behind.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use roxmltree::{Document, Node};

use crate::told::Told;
use crate::{Cases, FailedCase};

const LONGEST_MESSAGE: usize = 500;
const LONGEST_NAME: usize = 300;
/// More of them nobody reads; they still count.
const MOST_FAILED: usize = 1000;
/// A suite may write whatever it likes.
const MOST_FILES: usize = 1000;
const LARGEST_FILE: u64 = 32 << 20;

/// What all `*.xml` files directly in `folder` say together; `None` when there is none that can
/// be read. A broken file is a suite's business and must not turn a verdict.
pub(crate) fn read(folder: &Path, told: &Told) -> Option<Cases> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|kind| kind == "xml"))
        .collect();
    files.sort();
    files.truncate(MOST_FILES);
    let mut total: Option<Cases> = None;
    for file in files {
        let parsed = text_of(&file).and_then(|text| {
            let mut cases = Cases::default();
            let document = Document::parse(&text).map_err(|error| error.to_string())?;
            add(&document, told, &mut cases);
            Ok(cases)
        });
        match parsed {
            Ok(cases) => {
                let total = total.get_or_insert_default();
                total.tests += cases.tests;
                total.failures += cases.failures;
                total.errors += cases.errors;
                total.skipped += cases.skipped;
                let room = MOST_FAILED.saturating_sub(total.failed.len());
                total.failed.extend(cases.failed.into_iter().take(room));
            }
            Err(error) => tracing::warn!(file = %file.display(), error, "not a JUnit file"),
        }
    }
    total
}

fn text_of(file: &Path) -> Result<String, String> {
    // Of a pipe, nobody would see the end.
    if !file.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut text = String::new();
    let read = File::open(file).and_then(|open| {
        let mut open = open.take(LARGEST_FILE + 1);
        open.read_to_string(&mut text)
    });
    match read {
        Err(error) => Err(error.to_string()),
        Ok(_) if text.len() as u64 > LARGEST_FILE => Err("it is too large".to_owned()),
        Ok(_) => Ok(text),
    }
}

/// Counts the cases themselves: the sums in the attributes of their suites are often wrong.
fn add(document: &Document<'_>, told: &Told, cases: &mut Cases) {
    for case in document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
    {
        cases.tests += 1;
        let outcome = |kind: &str| case.children().find(|node| node.has_tag_name(kind));
        if let Some(failure) = outcome("failure") {
            cases.failures += 1;
            cases.failed.push(failed(case, failure, told));
        } else if let Some(error) = outcome("error") {
            cases.errors += 1;
            cases.failed.push(failed(case, error, told));
        } else if outcome("skipped").is_some() {
            cases.skipped += 1;
        }
    }
}

fn failed(case: Node<'_, '_>, outcome: Node<'_, '_>, told: &Told) -> FailedCase {
    let attribute = |name| case.attribute(name).unwrap_or_default();
    let name = [attribute("classname"), attribute("name")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(".");
    let text = outcome
        .attribute("message")
        .filter(|message| !message.is_empty())
        .or_else(|| outcome.text())
        .unwrap_or_default();
    let (file, line) = match attribute("file") {
        "" => traced(outcome.text().unwrap_or_default()).unzip(),
        file => (Some(file), line(case)),
    };
    FailedCase {
        name: told.line_of(&name, LONGEST_NAME),
        message: told.line_of(text.trim(), LONGEST_MESSAGE),
        // What was cut or changed would be another file.
        file: file
            .filter(|file| told.line_of(file, LONGEST_NAME) == *file)
            .map(str::to_owned),
        line,
    }
}

/// Where a trace ends: the last of its lines that starts with `<file>:<line>:`, as in those of pytest,
/// which by itself writes no attributes for that.
fn traced(trace: &str) -> Option<(&str, u64)> {
    trace.lines().rev().find_map(|line| {
        let (file, rest) = line.split_once(':')?;
        let (number, _) = rest.split_once(':')?;
        let is_name = !file.is_empty() && !file.contains(char::is_whitespace);
        let number = number.parse().ok().filter(|number| *number > 0)?;
        is_name.then_some((file, number))
    })
}

/// The line from 1. That of pytest is from 0: `location` in its `_pytest/reports.py`.
fn line(case: Node<'_, '_>) -> Option<u64> {
    let line: u64 = case.attribute("line")?.parse().ok()?;
    let suite = case.parent().and_then(|suite| suite.attribute("name"));
    match suite {
        Some("pytest") => line.checked_add(1),
        _ => (line > 0).then_some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path) -> Option<Cases> {
        super::read(folder, &Told::with(["hunter-2222".to_owned().into()]))
    }

    #[test]
    fn counts_cases_across_files_and_survives_a_broken_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        assert_eq!(read(folder.path()), None);
        write("broken.xml", "<testsuite><testcase>");
        assert_eq!(read(folder.path()), None);
        write(
            "a.xml",
            r#"<?xml version="1.0"?><testsuites><testsuite tests="99">
            <testcase classname="A" name="one"/>
            <testcase classname="A" name="two"><failure message="1 &lt; 2">trace</failure></testcase>
            <testcase name="three"><skipped/></testcase></testsuite></testsuites>"#,
        );
        write(
            "b.xml",
            "<testsuite><testcase name='four'><error>\n it broke\n</error></testcase></testsuite>",
        );
        write("notes.txt", "<testcase/>");
        let case = |name: &str, message: &str| FailedCase {
            name: name.into(),
            message: message.into(),
            file: None,
            line: None,
        };
        assert_eq!(
            read(folder.path()),
            Some(Cases {
                tests: 4,
                failures: 1,
                errors: 1,
                skipped: 1,
                failed: vec![case("A.two", "1 < 2"), case("four", "it broke")],
            })
        );
    }

    #[test]
    fn a_failure_is_found_at_its_line() {
        let places = |suite: &str, attributes: &str| {
            let folder = tempfile::tempdir().unwrap();
            let text = format!(
                "<testsuite name='{suite}'><testcase name='a' {attributes}><failure/></testcase>\
                 </testsuite>"
            );
            std::fs::write(folder.path().join("a.xml"), text).unwrap();
            let failed = read(folder.path()).unwrap().failed.remove(0);
            (failed.file, failed.line)
        };
        let place = |file: &str, line| (Some(file.to_owned()), line);
        assert_eq!(
            places("x", "file='t/a.py' line='7'"),
            place("t/a.py", Some(7))
        );
        assert_eq!(
            places("pytest", "file='a.py' line='0'"),
            place("a.py", Some(1))
        );
        assert_eq!(places("x", "file='a.py' line='0'"), place("a.py", None));
        assert_eq!(places("x", "file='a.py' line='-1'"), place("a.py", None));
        assert_eq!(
            traced("x\na.py:3: in b\n  c\nt/d.py:7: E\nends\n"),
            Some(("t/d.py", 7))
        );
        for none in ["", "a: b: c", "a b.py:3: x", ":3: x", "a.py:0: x", "a.py:3"] {
            assert_eq!(traced(none), None, "{none}");
        }
        let most = format!("file='{}' line='{}'", "a".repeat(301), u64::MAX);
        assert_eq!(places("pytest", &most), (None, None));
        assert_eq!(places("x", ""), (None, None));
    }

    #[test]
    fn a_failure_tells_no_secret_and_nothing_to_the_runner() {
        let folder = tempfile::tempdir().unwrap();
        let text = "<testsuite>\
            <testcase name='a&#10;::error::x hunter-2222' file='hunter-2222.py' line='1'>\
            <failure message='1&#10;::set-output name=x::hunter-2222'/></testcase>\
            <testcase name='b'><error>no&#13;\n::stop-commands::hunter-2222</error></testcase>\
            </testsuite>";
        std::fs::write(folder.path().join("a.xml"), text).unwrap();
        let failed = read(folder.path()).unwrap().failed;
        let shown: Vec<_> = failed.iter().map(|it| [&it.name, &it.message]).collect();
        assert_eq!(
            shown,
            [
                ["a ::error::x ***", "1 ::set-output name=x::***"],
                ["b", "no  ::stop-commands::***"]
            ]
        );
        assert_eq!(failed[0].file, None);
    }

    #[test]
    fn what_is_hostile_takes_neither_time_nor_memory() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("/dev/zero", path("zero.xml")).unwrap();
        std::fs::create_dir(path("folder.xml")).unwrap();
        let large = File::create(path("large.xml")).unwrap();
        large.set_len(LARGEST_FILE + 1).unwrap();
        assert_eq!(read(folder.path()), None);
        let case = "<testcase name='a'><failure/></testcase>";
        let text = format!("<testsuite>{}</testsuite>", case.repeat(MOST_FAILED + 5));
        std::fs::write(path("many.xml"), text).unwrap();
        let cases = read(folder.path()).unwrap();
        assert_eq!(
            (cases.failures, cases.failed.len()),
            (MOST_FAILED + 5, MOST_FAILED)
        );
    }
}
