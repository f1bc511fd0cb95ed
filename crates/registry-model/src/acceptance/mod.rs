//! `acceptance`: the cases that the image of a processor must pass before it is deployed.

mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Cost, Expect};

pub use words::{ArtifactPath, CaseName, MediaType};

/// `acceptance` of a registry entry. What a case leaves out is filled in from the section.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AcceptanceSpec {
    /// `limits`: where a run is ended.
    pub limits: Limits,
    /// `cases`, in their order.
    pub cases: Vec<Case>,
}

/// One item of `acceptance.cases`: one request, and what must come of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Case {
    /// `name`: unique among the cases of the entry.
    pub name: CaseName,
    /// The line of the file where it starts, from 1.
    pub line: usize,
    /// `mode`; default `mock`.
    pub mode: Mode,
    /// `inputs`: what the processor is asked for.
    pub inputs: CaseInputs,
    /// `files`: what is put beside the request, by its name there. The files are relative to the
    /// root of the repository and lie in it.
    pub files: BTreeMap<ArtifactPath, PathBuf>,
    /// `expect`: what stands in the answer; default: that it is a success.
    pub expect: Option<Expect>,
    /// `artifacts`: every file that is written, and what kind it is; default: `outputs` of the
    /// entry, or nothing where an error is expected.
    pub artifacts: BTreeMap<ArtifactPath, MediaType>,
    /// `budget`: what the run may cost; field by field, default: that of the section.
    pub budget: Budget,
}

/// `inputs` of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseInputs {
    /// The mapping that stands there.
    Inline(Map<String, Value>),
    /// A JSON file, relative to the root of the repository, and in it.
    File(PathBuf),
}

/// Whether a processor asks its provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It does not: the same inputs give the same bytes.
    #[default]
    Mock,
    /// It would, if it could: it has neither network nor secrets here.
    Real,
}

/// `budget`: what a run may cost. An absent field is `None`: not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Budget {
    /// `wall-seconds`: from the start of the process to its end.
    pub wall_seconds: Option<f64>,
    /// `memory-mib`: what the processes hold at their peak, without files, in MiB.
    pub memory_mib: Option<u64>,
    /// `output-bytes`: all artifacts together.
    pub output_bytes: Option<u64>,
    /// `cost-units`: what the answer says that it cost.
    pub cost_units: Option<Cost>,
}

/// `acceptance.limits`: where a run is ended. An absent field is `None`: what holds for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// `seconds`: how long it may run; default: `runtime.timeout_s`.
    pub seconds: Option<u64>,
    /// `memory-mib`: its memory, with the files that it writes; default: that of `runtime`.
    pub memory_mib: Option<u64>,
    /// `cpus`: how many cores it may use; default: `runtime.cpu`.
    pub cpus: Option<f64>,
    /// `pids`: how many processes and threads it may have at once.
    pub pids: Option<u64>,
    /// `output-mib`: how much it can write, in MiB.
    pub output_mib: Option<u64>,
}

impl Mode {
    /// As it is written in files and requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Real => "real",
        }
    }
}
