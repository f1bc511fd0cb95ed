use serde::{Deserialize, Serialize};

use crate::coverage::CoverageReport;
use crate::{CheckName, Finding, Severity};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It found no error.
    Passed,
    /// It found errors.
    Failed,
    /// It passed earlier on the same files with the same programs, and did not run.
    Reused,
    /// Nothing has changed that it looks at, and it did not run.
    SkippedPaths,
    /// A check that it needs did not pass, and it did not run.
    SkippedNeeds,
    /// It says nothing about the code: its program is missing, ran too long, crashed, or wrote
    /// what cannot be read.
    Broken,
    /// The caller cancelled before it ended.
    Interrupted,
}

impl Verdict {
    /// Whether a check that needs this one may run, and the whole may be green.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Passed | Self::Reused | Self::SkippedPaths)
    }
}

/// What one check said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckReport {
    /// Its name.
    pub name: CheckName,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it ended so, or why it ran; for people, in one line.
    pub why: String,
    /// What to do when it is broken: a command or a setting.
    pub hint: Option<String>,
    /// Wall time, 0 when it did not run.
    pub seconds: f64,
    /// How many of its findings are errors; of those that are in the report.
    pub errors: usize,
    /// The last lines that it printed, when findings do not say all.
    pub detail: Option<String>,
    /// What it measured.
    pub coverage: Option<CoverageReport>,
}

/// What all checks said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChecksReport {
    /// Version of this form: 1.
    pub schema: u32,
    /// One a check, in the order of the plan.
    pub checks: Vec<CheckReport>,
    /// Of all checks, the worst first.
    pub findings: Vec<Finding>,
    /// As many findings are not in here; there was no room.
    pub left_out: usize,
    /// Wall time of all of them.
    pub seconds: f64,
}

impl ChecksReport {
    /// Whether every check is good.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.verdict.is_good())
    }

    /// Whether the caller cancelled before all had ended.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        let interrupted = |check: &CheckReport| check.verdict == Verdict::Interrupted;
        self.checks.iter().any(interrupted)
    }

    /// The findings that fail a check.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        let is_error = |found: &&Finding| found.severity == Severity::Error;
        self.findings.iter().filter(is_error)
    }
}
