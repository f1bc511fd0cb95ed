use std::path::PathBuf;

use registry_model::{PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

use crate::{ContractReport, ServiceDiagnosis};

/// What a run of the stage did. Times are wall-clock seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AcceptanceReport {
    /// The version of this format: 1.
    pub schema: u32,
    /// The compose project, unique to this run.
    pub project: String,
    /// What was proven, in the order of the registry.
    pub images: Vec<ProvenImage>,
    /// How they fared alone.
    pub contract: ContractReport,
    /// The services around it.
    pub stack: StackReport,
    /// The tests.
    pub suite: SuiteReport,
    /// How it ended.
    pub verdict: Verdict,
}

/// A processor and the image that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProvenImage {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// Its image by digest.
    pub image: PinnedImage,
}

/// How the services fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "state",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum StackReport {
    /// They were up.
    Ran {
        /// The compose file.
        file: PathBuf,
        /// The services, in the order asked for.
        services: Vec<ServiceReport>,
        /// Until all were healthy.
        up_seconds: f64,
        /// Until nothing of them was left.
        down_seconds: f64,
        /// When the suite failed: the state and the last lines of each service.
        diagnoses: Vec<ServiceDiagnosis>,
    },
    /// The repository has no stack.
    NotConfigured {
        /// What to add to have one.
        add: String,
    },
}

/// One service that was up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceReport {
    /// Its name in the compose file.
    pub name: String,
    /// `127.0.0.1:<port>` of its first published port, if it publishes one.
    pub address: Option<String>,
}

/// How the tests fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "state",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum SuiteReport {
    /// They ran.
    Ran {
        /// The program and its arguments.
        command: Vec<String>,
        /// Its exit code; none when it was ended by a signal or by its time limit.
        exit: Option<i32>,
        /// How long it ran.
        seconds: f64,
        /// What its JUnit files say, if it left any.
        cases: Option<Cases>,
    },
    /// The repository has no suite.
    NotConfigured {
        /// What to add to have one.
        add: String,
    },
}

/// Test cases, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cases {
    /// All of them.
    pub tests: usize,
    /// Those that found something wrong.
    pub failures: usize,
    /// Those that broke down.
    pub errors: usize,
    /// Those that did not run.
    pub skipped: usize,
    /// The failures and errors, by name.
    pub failed: Vec<FailedCase>,
}

/// A test case that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailedCase {
    /// `<class>.<name>`.
    pub name: String,
    /// What it says, shortened to 500 characters.
    pub message: String,
}

/// How a run of the stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that there was to pass was passed: contract, suite or both.
    Passed,
    /// Something was not.
    Failed,
    /// The repository has neither cases nor a suite, so nothing was proven, with or without a stack.
    NotConfigured,
}

impl Verdict {
    /// Whether there was something to prove, and it was.
    #[must_use]
    pub fn is_passed(self) -> bool {
        self == Self::Passed
    }
}
