use serde::{Deserialize, Serialize};

use crate::CheckName;
use crate::place::Place;
use crate::text::plain;

/// A check keeps as many; more of them nobody reads.
const MOST: usize = 2000;
const LONGEST_MESSAGE: usize = 1000;
const LONGEST_RULE: usize = 100;

/// How bad a finding is. Only errors fail a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Must be mended.
    Error,
    /// Should be looked at.
    Warning,
    /// Is good to know.
    Note,
}

/// One thing that a check says. The order of findings is the worst first, then by file and line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, from the root of the repository; none when it is about no file of it.
    pub file: Option<String>,
    /// First line is 1.
    pub line: Option<u64>,
    /// First column is 1.
    pub column: Option<u64>,
    /// The rule, as the tool names it.
    pub rule: String,
    /// What is wrong, in one line.
    pub message: String,
    /// The check that says so.
    pub check: CheckName,
}

/// A finding as a parser has it, from a source that nobody vouches for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw<'a> {
    /// None: an error.
    pub(crate) severity: Option<Severity>,
    pub(crate) file: Option<&'a str>,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    pub(crate) rule: &'a str,
    pub(crate) message: &'a str,
}

/// Collects the findings of one check and keeps them within bounds.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    check: &'a CheckName,
    place: &'a Place,
    kept: Vec<Finding>,
    /// Errors, warnings, notes.
    counts: [usize; 3],
}

impl<'a> Findings<'a> {
    pub(crate) fn new(check: &'a CheckName, place: &'a Place) -> Self {
        Self {
            check,
            place,
            kept: Vec::new(),
            counts: [0; 3],
        }
    }

    pub(crate) fn place(&self) -> &'a Place {
        self.place
    }

    pub(crate) fn add(&mut self, raw: Raw<'_>) {
        let severity = raw.severity.unwrap_or(Severity::Error);
        let count = &mut self.counts[severity as usize];
        *count += 1;
        // Each kind has its own room, so that notes do not crowd out errors.
        if *count > MOST {
            return;
        }
        let file = raw.file.and_then(|file| self.place.relative(file));
        // A place outside the repository is told, but nothing can point at it.
        let message = match (&file, raw.file.filter(|file| !file.is_empty())) {
            (None, Some(outside)) => plain(
                &format!("{}: {}", plain(outside, LONGEST_RULE), raw.message),
                LONGEST_MESSAGE,
            ),
            _ => plain(raw.message, LONGEST_MESSAGE),
        };
        let number = |number: Option<u64>| {
            let fits = |number: &u64| (1..=u64::from(u32::MAX)).contains(number);
            number.filter(fits).filter(|_| file.is_some())
        };
        let line = number(raw.line);
        self.kept.push(Finding {
            severity,
            line,
            column: number(raw.column).filter(|_| line.is_some()),
            rule: plain(raw.rule, LONGEST_RULE),
            message,
            check: self.check.clone(),
            file,
        });
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.counts[Severity::Error as usize] > 0
    }

    /// The worst of them in order, and how many are left out.
    pub(crate) fn finish(mut self) -> (Vec<Finding>, usize) {
        let total: usize = self.counts.iter().sum();
        self.kept.sort();
        self.kept.dedup();
        let repeated = self
            .counts
            .iter()
            .map(|count| *count.min(&MOST))
            .sum::<usize>()
            - self.kept.len();
        self.kept.truncate(MOST);
        let left_out = total - repeated - self.kept.len();
        (self.kept, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn collect(raw: &[Raw<'_>]) -> (Vec<Finding>, usize) {
        let place = Place::new(Path::new("/no/repo"), Path::new("."));
        let check = CheckName::ours("lint");
        let mut findings = Findings::new(&check, &place);
        raw.iter().for_each(|raw| findings.add(*raw));
        findings.finish()
    }

    #[test]
    fn the_worst_come_first_and_survive_a_flood() {
        let note = Severity::Note;
        let messages: Vec<String> = (0..3000).map(|n| n.to_string()).collect();
        let mut raw: Vec<Raw<'_>> = messages
            .iter()
            .map(|message| Raw {
                severity: Some(note),
                message,
                ..Raw::default()
            })
            .collect();
        raw.push(Raw {
            message: "bad",
            ..Raw::default()
        });
        let (kept, left_out) = collect(&raw);
        assert_eq!(kept[0].message, "bad");
        assert_eq!((kept.len(), left_out), (MOST, 3001 - MOST));
    }

    #[test]
    fn the_same_said_twice_is_said_once() {
        let raw = Raw {
            message: "m",
            ..Raw::default()
        };
        let (kept, left_out) = collect(&[raw, raw]);
        assert_eq!((kept.len(), left_out), (1, 0));
    }

    #[test]
    fn nothing_points_outside_the_repository() {
        let raw = Raw {
            file: Some("/etc/passwd"),
            line: Some(3),
            column: Some(1),
            message: "m\u{1b}[31m\n::error::",
            ..Raw::default()
        };
        let (kept, _) = collect(&[raw]);
        assert_eq!(
            (&kept[0].file, kept[0].line, kept[0].column),
            (&None, None, None)
        );
        assert_eq!(kept[0].message, "/etc/passwd: m ::error::");
    }

    #[test]
    fn lines_that_cannot_be_are_none() {
        for line in [0, u64::MAX] {
            let raw = Raw {
                file: Some("a"),
                line: Some(line),
                column: Some(1),
                ..Raw::default()
            };
            let (kept, _) = collect(&[raw]);
            assert_eq!((kept[0].line, kept[0].column), (None, None));
        }
    }
}
