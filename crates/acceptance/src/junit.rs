//! The JUnit files that a suite leaves behind.

use std::path::Path;

use roxmltree::{Document, Node};

use crate::{Cases, FailedCase};

const LONGEST_MESSAGE: usize = 500;

/// What all `*.xml` files directly in `folder` say together; `None` when there is none that can
/// be read. A broken file is a suite's business and must not turn a verdict.
pub(crate) fn read(folder: &Path) -> Option<Cases> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|kind| kind == "xml"))
        .collect();
    files.sort();
    let mut total: Option<Cases> = None;
    for file in files {
        let parsed = std::fs::read_to_string(&file)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                let mut cases = Cases::default();
                let document = Document::parse(&text).map_err(|error| error.to_string())?;
                add(&document, &mut cases);
                Ok(cases)
            });
        match parsed {
            Ok(cases) => {
                let total = total.get_or_insert_default();
                total.tests += cases.tests;
                total.failures += cases.failures;
                total.errors += cases.errors;
                total.skipped += cases.skipped;
                total.failed.extend(cases.failed);
            }
            Err(error) => tracing::warn!(file = %file.display(), error, "not a JUnit file"),
        }
    }
    total
}

/// Counts the cases themselves: the sums in the attributes of their suites are often wrong.
fn add(document: &Document<'_>, cases: &mut Cases) {
    for case in document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
    {
        cases.tests += 1;
        let outcome = |kind: &str| case.children().find(|node| node.has_tag_name(kind));
        if let Some(failure) = outcome("failure") {
            cases.failures += 1;
            cases.failed.push(failed(case, failure));
        } else if let Some(error) = outcome("error") {
            cases.errors += 1;
            cases.failed.push(failed(case, error));
        } else if outcome("skipped").is_some() {
            cases.skipped += 1;
        }
    }
}

fn failed(case: Node<'_, '_>, outcome: Node<'_, '_>) -> FailedCase {
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
    FailedCase {
        name,
        message: text.trim().chars().take(LONGEST_MESSAGE).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
