use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One check of the fast lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Check {
    /// How people call it.
    pub name: String,
    /// Program and arguments; no shell reads them.
    pub command: Vec<String>,
    /// The folder it runs in, relative to the root of the repository.
    pub directory: PathBuf,
    /// It is ended when it runs longer than this many seconds.
    pub timeout_seconds: u64,
    /// How its output becomes findings.
    pub parser: Parser,
}

/// How the output of a check is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parser {
    /// Only the exit code counts; the end of the output is the detail.
    ExitCode,
    /// `ruff check --output-format json` on standard output.
    RuffJson,
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// The rule, as the tool names it.
    pub code: String,
    /// The file, relative to the root of the repository where the tool's path lies in it.
    pub file: PathBuf,
    /// First line is 1.
    pub line: u64,
    /// First column is 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Exit code 0.
    Passed,
    /// It found something, or could not run.
    Failed,
    /// The run was interrupted before it ended.
    Interrupted,
}

/// What one check said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Wall time.
    pub seconds: f64,
    /// What to mend.
    pub findings: Vec<Finding>,
    /// Why it failed, when findings do not say it.
    pub detail: Option<String>,
}

/// What all checks said, in the order they were given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChecksReport {
    /// Version of this form: 1.
    pub schema: u32,
    /// One a check.
    pub checks: Vec<CheckReport>,
}

impl ChecksReport {
    /// Whether every check passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.verdict == Verdict::Passed)
    }
}
