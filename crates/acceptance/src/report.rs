use std::path::PathBuf;

use jiff::Timestamp;
use registry_model::{Digest, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

use crate::{AcceptedBy, ContractReport, ObjectsReport, ServiceDiagnosis};

/// The version of the format of reports.
pub(crate) const SCHEMA: u32 = 1;

/// What a run of the stage did. Times are wall-clock seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AcceptanceReport {
    /// The version of this format: 1.
    pub schema: u32,
    /// The compose project, unique to this run.
    pub project: String,
    /// When everything was over.
    pub ended_at: Timestamp,
    /// Whether less was asked for than the repository has: one part, or some cases. What such a run
    /// proves is no receipt.
    pub reduced: bool,
    /// Whether some processors were left out. What the suite proves without them is no receipt.
    #[serde(default)]
    pub partial: bool,
    /// Why nothing was proven, when the whole stage was left out.
    pub skipped: Option<String>,
    /// What was proven, in the order of the registry.
    pub images: Vec<ProvenImage>,
    /// How they fared alone.
    pub contract: ContractReport,
    /// The services around it.
    pub stack: StackReport,
    /// The tests.
    pub suite: SuiteReport,
    /// What they left in the S3 service, if they passed and that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectsReport>,
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
    /// Over all that the verdict on its contract depends on besides the image; `None` without cases.
    pub contract_inputs: Option<Digest>,
    /// Whether a processor that was left out has the same image, so that this run cannot speak for it.
    #[serde(default)]
    pub shared: bool,
    /// The receipts for which a part did not run.
    pub accepted: Vec<AcceptedBy>,
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
    /// They did not come up, or could not be asked about.
    Failed {
        /// The compose file.
        file: PathBuf,
        /// The state and the last lines of each service that there was.
        diagnoses: Vec<ServiceDiagnosis>,
    },
    /// Nothing needed it: the suite had passed already.
    Accepted,
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
        /// Over all that its verdict depends on besides the images; `None` when that is too much to
        /// be read.
        inputs: Option<Digest>,
    },
    /// They did not run, as something before them failed or their program could not be started.
    NotRun,
    /// They passed already with these images and inputs: each image names its receipt.
    Accepted {
        /// Over all that its verdict depends on besides the images.
        inputs: Digest,
    },
    /// The repository has no suite.
    NotConfigured {
        /// What to add to have one.
        add: String,
    },
}

impl StackReport {
    /// The state and the last lines of each service, when something did not pass.
    #[must_use]
    pub fn diagnoses(&self) -> &[ServiceDiagnosis] {
        match self {
            Self::Ran { diagnoses, .. } | Self::Failed { diagnoses, .. } => diagnoses,
            Self::Accepted | Self::NotConfigured { .. } => &[],
        }
    }
}

impl SuiteReport {
    /// The same, with what its verdict depends on.
    pub(crate) fn with_inputs(mut self, digest: Option<Digest>) -> Self {
        if let Self::Ran { inputs, .. } = &mut self {
            *inputs = digest;
        }
        self
    }
}

impl Cases {
    /// Whether none failed or broke down.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.failures == 0 && self.errors == 0 && self.failed.is_empty()
    }
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
    /// The file that it is in, as the suite names it: as a rule relative to where it ran.
    pub file: Option<String>,
    /// The line of that file, from 1.
    pub line: Option<u64>,
}

/// How a run of the stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that there was to pass was passed, now or before: contract, suite or both.
    Passed,
    /// Something was not.
    Failed,
    /// The repository has neither cases nor a suite, so nothing was proven, with or without a stack.
    NotConfigured,
    /// The stage was left out, so nothing was proven.
    Skipped,
}

impl AcceptanceReport {
    /// The report of a stage that was left out.
    #[must_use]
    pub fn skipped(why: String) -> Self {
        let add = String::new;
        Self {
            schema: SCHEMA,
            project: String::new(),
            ended_at: Timestamp::now(),
            reduced: false,
            partial: false,
            skipped: Some(why),
            images: Vec::new(),
            contract: ContractReport::NotConfigured { add: add() },
            stack: StackReport::NotConfigured { add: add() },
            suite: SuiteReport::NotConfigured { add: add() },
            objects: None,
            verdict: Verdict::Skipped,
        }
    }
}

impl Verdict {
    /// Whether there was something to prove, and it was.
    #[must_use]
    pub fn is_passed(self) -> bool {
        self == Self::Passed
    }
}
