//! How the output of a program becomes findings.
//!
//! What is read was written by a program that a pull request can change: all of it is bounded in
//! size, and what is not in the expected form is an [`Unreadable`], never a panic.

mod deptry;
mod junit;
mod pattern;
mod ruff;
mod ruff_format;
mod sarif;
mod vulture;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Percent;
use crate::coverage::{self, CoverageReport};
use crate::finding::Findings;
use crate::source::Sources;

pub(crate) use pattern::expression;

/// How the output of a check is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Parser {
    /// Only the exit code counts; the end of the output is the detail.
    ExitCode {},
    /// `ruff check --output-format json` on standard output.
    RuffJson {},
    /// `ruff format --check` on standard output.
    RuffFormat {},
    /// JUnit's XML, as pytest and many others write it.
    Junit {
        /// The file, relative to the folder of the check; none: `{report}` of the command.
        #[serde(default)]
        report: Option<PathBuf>,
        /// It fails when fewer cases ran. Cases that were skipped did not.
        #[serde(default = "one")]
        at_least: u64,
    },
    /// Coverage as Cobertura's XML, as the JSON of coverage.py, or as both: then they must agree.
    Coverage {
        /// The XML file, relative to the folder of the check.
        #[serde(default)]
        xml: Option<PathBuf>,
        /// The JSON file, relative to the folder of the check.
        #[serde(default)]
        json: Option<PathBuf>,
        /// It fails when less is covered.
        #[serde(default)]
        baseline: Option<Percent>,
        /// It fails when less is covered of the lines that have changed.
        #[serde(default)]
        changed_lines: Option<Percent>,
    },
    /// SARIF 2.1.
    Sarif {
        /// The file, relative to the folder of the check; none: `{report}` of the command, or
        /// standard output.
        #[serde(default)]
        report: Option<PathBuf>,
    },
    /// `vulture`'s lines.
    Vulture {},
    /// `deptry --json-output`.
    Deptry {
        /// The file, relative to the folder of the check; none: `{report}` of the command.
        #[serde(default)]
        report: Option<PathBuf>,
    },
    /// Lines of standard output and standard error that match a regular expression.
    Pattern {
        /// With the group `message`, and as many of `file`, `line`, `column`, `rule` and
        /// `severity` (error, warning, note) as there are.
        expression: String,
    },
}

impl Default for Parser {
    fn default() -> Self {
        Self::ExitCode {}
    }
}

fn one() -> u64 {
    1
}

/// Why the output of a program cannot be read: a sentence without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) String);

impl Unreadable {
    pub(crate) fn new(what: &str, why: &dyn std::fmt::Display) -> Self {
        Self(format!("{what} cannot be read: {why}"))
    }
}

impl Parser {
    /// The files that the program writes where the check says, relative to the folder of the check.
    pub(crate) fn reports(&self) -> Vec<&PathBuf> {
        match self {
            Self::Junit { report, .. } | Self::Sarif { report } | Self::Deptry { report } => {
                report.iter().collect()
            }
            Self::Coverage { xml, json, .. } => xml.iter().chain(json).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it cannot do with standard output.
    pub(crate) fn needs_report(&self) -> bool {
        matches!(
            self,
            Self::Junit { .. } | Self::Deptry { .. } | Self::Coverage { .. }
        )
    }

    /// Whether standard output is for people.
    pub(crate) fn leaves_output(&self) -> bool {
        !matches!(self, Self::RuffJson {} | Self::Sarif { .. })
    }

    /// Whether its result depends on what has changed.
    pub(crate) fn looks_at_changes(&self) -> bool {
        matches!(
            self,
            Self::Coverage {
                changed_lines: Some(_),
                ..
            }
        )
    }

    /// Reads what a program left behind.
    pub(crate) fn read(
        &self,
        sources: &Sources,
        to: &mut Findings<'_>,
    ) -> Result<Option<CoverageReport>, Unreadable> {
        match self {
            Self::ExitCode {} => {}
            Self::RuffJson {} => ruff::read(sources.stdout()?, to)?,
            Self::RuffFormat {} => ruff_format::read(sources.stdout()?, to),
            Self::Junit { report, at_least } => {
                junit::read(&sources.report(report.as_deref())?, *at_least, to)?;
            }
            Self::Sarif { report } => {
                if report.is_none() && !sources.has_scratch() {
                    sarif::read(sources.stdout()?, to)?;
                } else {
                    sarif::read(&sources.report(report.as_deref())?, to)?;
                }
            }
            Self::Vulture {} => vulture::read([sources.stdout()?, sources.stderr()], to)?,
            Self::Deptry { report } => deptry::read(&sources.report(report.as_deref())?, to)?,
            Self::Pattern { expression } => {
                pattern::read(expression, [sources.stdout()?, sources.stderr()], to)?;
            }
            Self::Coverage {
                xml,
                json,
                baseline,
                changed_lines,
            } => {
                let files = coverage::Files {
                    xml: xml
                        .as_deref()
                        .map(|file| sources.report(Some(file)))
                        .transpose()?,
                    json: json
                        .as_deref()
                        .map(|file| sources.report(Some(file)))
                        .transpose()?,
                };
                let rules = coverage::Rules {
                    baseline: *baseline,
                    changed_lines: *changed_lines,
                };
                return coverage::read(&files, rules, sources.changes(), to).map(Some);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use crate::CheckName;
    use crate::finding::{Finding, Findings};
    use crate::place::Place;

    /// What `read` finds in the folder `code` of a repository.
    pub(crate) fn found<T>(read: impl FnOnce(&mut Findings<'_>) -> T) -> (T, Vec<Finding>) {
        let place = Place::new(Path::new("/repo"), Path::new("code"));
        let check = CheckName::ours("check");
        let mut findings = Findings::new(&check, &place);
        let result = read(&mut findings);
        (result, findings.finish().0)
    }

    /// One line a finding, as people read them.
    pub(crate) fn shown(findings: &[Finding]) -> String {
        let number = |number: Option<u64>| number.map_or("-".to_owned(), |n| n.to_string());
        let lines = findings.iter().map(|found| {
            format!(
                "{:?} {}:{}:{} {}: {}",
                found.severity,
                found.file.as_deref().unwrap_or("-"),
                number(found.line),
                number(found.column),
                found.rule,
                found.message
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
