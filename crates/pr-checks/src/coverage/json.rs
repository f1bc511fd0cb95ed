use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{FileLines, Measured, Tally};
use crate::parser::Unreadable;
use crate::place::Place;

#[derive(Deserialize)]
struct Report {
    files: BTreeMap<String, File>,
    totals: Totals,
}

#[derive(Deserialize)]
struct File {
    executed_lines: BTreeSet<u64>,
    missing_lines: BTreeSet<u64>,
}

#[derive(Deserialize)]
struct Totals {
    covered_lines: u64,
    num_statements: u64,
    #[serde(default)]
    covered_branches: u64,
    #[serde(default)]
    num_branches: u64,
}

/// What `coverage json` writes. Its paths are relative to the folder that it ran in.
pub(super) fn read(text: &str, place: &Place) -> Result<Measured, Unreadable> {
    let report: Report = serde_json::from_str(text)
        .map_err(|error| Unreadable::new("the JSON of coverage.py", &error))?;
    let totals = report.totals;
    let files = report.files.into_iter().filter_map(|(path, file)| {
        let lines = FileLines {
            covered: file.executed_lines,
            missing: file.missing_lines,
        };
        Some((place.relative(&path)?, lines))
    });
    Ok(Measured {
        lines: Tally {
            covered: totals.covered_lines,
            all: totals.num_statements,
        },
        branches: Tally {
            covered: totals.covered_branches,
            all: totals.num_branches,
        },
        files: files.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    const REAL: &str = include_str!("../../tests/fixtures/coverage.json");

    #[test]
    fn anything_else_cannot_be_read() {
        let place = Place::new(Path::new("/repo"), Path::new("code"));
        for text in [
            "",
            "{}",
            r#"{"files":{},"totals":{}}"#,
            r#"{"files":[],"totals":{}}"#,
        ] {
            assert!(read(text, &place).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_torn_file_is_no_panic(at in 0..REAL.len(), noise in "[0-9,\"-]{0,5}") {
            let place = Place::new(Path::new("/repo"), Path::new("code"));
            if let (Some(head), Some(tail)) = (REAL.get(..at), REAL.get(at..)) {
                let _ = read(&format!("{head}{noise}{tail}"), &place);
            }
        }
    }
}
