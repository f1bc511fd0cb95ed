//! How much of the code the tests reach: of all of it against a baseline, and of what has changed.

mod cobertura;
mod json;
mod judge;

use std::collections::{BTreeMap, BTreeSet};

use crate::Changes;
use crate::finding::Findings;
use crate::parser::Unreadable;
use crate::place::Place;

pub(crate) use judge::Rules;
pub use judge::{ChangedLines, CoverageReport};

/// The texts of the files that a program wrote.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) xml: Option<String>,
    pub(crate) json: Option<String>,
}

/// What was measured, whichever file says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) lines: Tally,
    pub(crate) branches: Tally,
    /// From the root of the repository; files outside are not here.
    pub(crate) files: BTreeMap<String, FileLines>,
}

/// How many there are, and how many of them the tests reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) covered: u64,
    pub(crate) all: u64,
}

/// The lines of a file that can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileLines {
    pub(crate) covered: BTreeSet<u64>,
    pub(crate) missing: BTreeSet<u64>,
}

/// Reads the files and judges what they say.
pub(crate) fn read(
    files: &Files,
    rules: Rules,
    changes: Option<&Changes>,
    to: &mut Findings<'_>,
) -> Result<CoverageReport, Unreadable> {
    let measured = measured(files, to.place())?;
    Ok(judge::judge(&measured, rules, changes, to))
}

fn measured(files: &Files, place: &Place) -> Result<Measured, Unreadable> {
    let xml = files
        .xml
        .as_deref()
        .map(|text| cobertura::read(text, place));
    let json = files.json.as_deref().map(|text| json::read(text, place));
    match (xml.transpose()?, json.transpose()?) {
        (Some(xml), Some(json)) if xml.lines != json.lines => Err(Unreadable(format!(
            "the coverage files do not agree, one of them is old: {} of {} lines in XML, {} of {} in JSON",
            xml.lines.covered, xml.lines.all, json.lines.covered, json.lines.all
        ))),
        (_, Some(measured)) | (Some(measured), None) => Ok(measured),
        (None, None) => Err(Unreadable("the check names no coverage file".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const XML: &str = include_str!("../../tests/fixtures/coverage.xml");
    const JSON: &str = include_str!("../../tests/fixtures/coverage.json");

    fn of(xml: Option<&str>, json: Option<&str>) -> Result<Measured, Unreadable> {
        let files = Files {
            xml: xml.map(str::to_owned),
            json: json.map(str::to_owned),
        };
        measured(&files, &Place::new(Path::new("/repo"), Path::new("code")))
    }

    #[test]
    fn both_forms_say_the_same() {
        let xml = of(Some(XML), None).unwrap();
        assert_eq!(xml, of(None, Some(JSON)).unwrap());
        assert_eq!(xml, of(Some(XML), Some(JSON)).unwrap());
        assert_eq!(xml.lines, Tally { covered: 7, all: 9 });
        assert_eq!(xml.branches, Tally { covered: 1, all: 2 });
        let cart = &xml.files["code/shop/cart.py"];
        assert_eq!(cart.missing, BTreeSet::from([10, 15]));
        assert!(cart.covered.contains(&9));
    }

    #[test]
    fn files_of_different_runs_do_not_count() {
        let old = JSON.replace("\"covered_lines\": 7", "\"covered_lines\": 6");
        let old = old.replace("\"covered_lines\":7", "\"covered_lines\":6");
        insta::assert_snapshot!(of(Some(XML), Some(&old)).unwrap_err().0, @"the coverage files do not agree, one of them is old: 7 of 9 lines in XML, 6 of 9 in JSON");
    }
}
