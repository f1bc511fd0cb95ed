use std::fmt;
use std::path::PathBuf;

use registry_model::{CaseName, Cost, Mode, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

/// How the images fared against their contracts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "state",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum ContractReport {
    /// The cases ran.
    Ran {
        /// In the order of the registry.
        cases: Vec<CaseReport>,
        /// All of them together, wall-clock.
        seconds: f64,
    },
    /// All of them passed already: each image names its receipt.
    Accepted,
    /// No registry file has a case, or none was asked for.
    NotConfigured {
        /// What to add to have one.
        add: String,
    },
}

impl ContractReport {
    /// Whether no case found anything wrong.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        match self {
            Self::Ran { cases, .. } => cases.iter().all(CaseReport::is_passed),
            Self::Accepted | Self::NotConfigured { .. } => true,
        }
    }
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaseReport {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// The case.
    pub name: CaseName,
    /// The registry file, relative to the root of the repository.
    pub file: PathBuf,
    /// The line where the case starts.
    pub line: usize,
    /// What ran.
    pub image: PinnedImage,
    /// Whether a provider would have been asked.
    pub mode: Mode,
    /// How often it ran: twice in mock mode, unless the first run already broke the contract.
    pub runs: usize,
    /// From the start of the process to its end, in seconds; the longest run.
    pub wall_seconds: Option<f64>,
    /// What its processes held at their peak, without files, in bytes, as far as it was seen.
    pub peak_memory_bytes: Option<u64>,
    /// All artifacts together.
    pub output_bytes: u64,
    /// What the answer says that it cost.
    pub cost_units: Option<Cost>,
    /// What it wrote.
    pub artifacts: Vec<ArtifactReport>,
    /// What was wrong; empty when it passed.
    pub violations: Vec<Violation>,
    /// Its last lines on standard error, when something was wrong.
    pub log: Vec<String>,
}

impl CaseReport {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.violations.is_empty()
    }
}

/// One file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArtifactReport {
    /// Below the folder for outputs.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// One way in which a run broke its contract. Its texts are safe to show: bounded, in one line, and
/// without secrets of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Violation {
    /// What kind it is.
    pub code: ViolationCode,
    /// What is wrong: `wall time`, or the place in the answer.
    pub what: String,
    /// What the contract says.
    pub expected: String,
    /// What was seen.
    pub got: String,
    /// The artifact that it is about.
    pub artifact: Option<String>,
}

/// What kind of violation; a code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViolationCode {
    /// It ran longer than its budget.
    WallTime,
    /// Its processes held more memory than its budget.
    PeakMemory,
    /// It wrote more than its budget.
    OutputBytes,
    /// It cost more than its budget, or did not tell.
    CostUnits,
    /// It was ended by the time limit.
    TimeLimit,
    /// It was killed: as a rule by the memory limit.
    Killed,
    /// It ended with another exit code.
    ExitCode,
    /// It printed more than an answer can be.
    Flood,
    /// What it printed is no answer.
    Answer,
    /// Its receipt is not about this run.
    Receipt,
    /// The answer has something else where the case expects a value.
    Expectation,
    /// A declared file is not there.
    ArtifactMissing,
    /// A file, link or folder is there that is not declared.
    ArtifactUndeclared,
    /// What is there is a link or a device, and no file.
    ArtifactNoFile,
    /// The content is of another kind.
    ArtifactKind,
    /// The answer tells something else about a file.
    ArtifactTold,
    /// The folder for outputs is full.
    OutputFull,
    /// The second run with the same inputs gave something else.
    Nondeterministic,
}

/// A violation with the case that it belongs to, for people.
pub struct ViolationText<'a>(pub &'a CaseReport, pub &'a Violation);

impl fmt::Display for ViolationText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(case, violation) = self;
        let (file, line) = (case.file.display(), case.line);
        write!(f, "{file}:{line}: {} {}: ", case.reference, case.name)?;
        violation.fmt(f)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(artifact) = &self.artifact {
            write!(f, "`{artifact}`: ")?;
        }
        let Self {
            what,
            expected,
            got,
            ..
        } = self;
        write!(f, "{what}: expected {expected}, got {got}")
    }
}
