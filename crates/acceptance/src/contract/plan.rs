use std::collections::BTreeMap;
use std::path::PathBuf;

use registry_model::{
    ArtifactPath, Budget, CaseName, Expect, MediaType, Mode, ProcessorRef, Runtime,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{CaseSource, canonical};
use crate::{AcceptanceError, Configured};

const SECONDS: u64 = 60;
const MEMORY_MIB: u64 = 512;
const CPUS: f64 = 1.0;
const PIDS: u64 = 128;
const OUTPUT_MIB: u64 = 64;
/// The engine refuses less.
const LEAST_MEMORY_MIB: u64 = 8;
/// The program that starts a container (runc) is one of many threads and counts until the processor
/// is there: at 4, one start in 60 failed.
pub(super) const LEAST_PIDS: u64 = 16;

/// The cases that a run would hold the images against.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ContractPlan {
    /// In the order of the registry.
    pub cases: Vec<CasePlan>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CasePlan {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// The case.
    pub name: CaseName,
    /// The registry file, relative to the root of the repository.
    pub file: PathBuf,
    /// The line of that file where the case starts.
    pub line: usize,
    /// Whether a provider would be asked.
    pub mode: Mode,
    /// What the image gets on standard input.
    pub request: String,
    /// The SHA-256 of the inputs in canonical form.
    pub inputs_sha256: String,
    /// What lies in the folder for inputs; only the names are shown.
    #[serde(serialize_with = "names")]
    pub files: BTreeMap<ArtifactPath, Vec<u8>>,
    /// What must stand in the answer.
    pub expect: Expect,
    /// Every file that must be written, and no other may be.
    pub artifacts: BTreeMap<ArtifactPath, MediaType>,
    /// What the run may cost.
    pub budget: Budget,
    /// Where it is ended.
    pub limits: RunLimits,
}

/// Where a run is ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunLimits {
    /// How long it may run.
    pub seconds: u64,
    /// Its memory with the files that it writes, in MiB.
    pub memory_mib: u64,
    /// How many cores it may use.
    pub cpus: f64,
    /// How many processes and threads it may have at once.
    pub pids: u64,
    /// How much it can write, in MiB.
    pub output_mib: u64,
}

impl CasePlan {
    /// `text/summarize@1 short-text`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.reference, self.name)
    }

    /// `success` or `error`.
    pub(super) fn status(&self) -> &str {
        let mut pairs = self.expect.iter();
        let status = pairs.find(|(at, _)| at.as_str() == "/status");
        status
            .and_then(|(_, value)| value.as_str())
            .unwrap_or("success")
    }

    /// How often it runs: without a provider, the same inputs must give the same files.
    pub(super) fn runs(&self) -> usize {
        match self.mode {
            Mode::Mock => 2,
            Mode::Real => 1,
        }
    }
}

/// Decides what to run. With `only`, no case but these.
pub(crate) fn plan(
    sources: &[CaseSource],
    only: Option<&[String]>,
) -> Result<Configured<ContractPlan>, AcceptanceError> {
    if let Some(wanted) = only {
        let known = |name: &&String| {
            sources
                .iter()
                .any(|source| source.case.name.as_str() == **name)
        };
        if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
            return Err(AcceptanceError::UnknownCase {
                case: unknown.clone(),
                known: sources
                    .iter()
                    .map(|source| source.case.name.to_string())
                    .collect(),
            });
        }
    }
    let chosen = sources.iter().filter(|source| {
        only.is_none_or(|only| only.iter().any(|name| source.case.name.as_str() == name))
    });
    let cases: Vec<CasePlan> = chosen.map(case).collect();
    if cases.is_empty() {
        return Ok(Configured::NotConfigured {
            add: "`acceptance.cases` to the registry file of a processor".into(),
        });
    }
    Ok(Configured::Configured(ContractPlan { cases }))
}

fn case(source: &CaseSource) -> CasePlan {
    let CaseSource {
        entry,
        case,
        inputs,
        files,
    } = source;
    let inputs = Value::Object(inputs.clone());
    let request = json!({
        "ref": entry.reference.to_string(),
        "mode": case.mode.as_str(),
        "inputs": inputs,
    });
    CasePlan {
        reference: entry.reference.clone(),
        name: case.name.clone(),
        file: entry.file.clone(),
        line: case.line,
        mode: case.mode,
        request: canonical::text(&request),
        inputs_sha256: canonical::hash(&inputs),
        files: files.clone(),
        expect: case.expect.clone().unwrap_or_else(Expect::success),
        artifacts: case.artifacts.clone(),
        budget: case.budget,
        limits: limits(
            entry
                .acceptance
                .as_ref()
                .map(|spec| spec.limits)
                .unwrap_or_default(),
            &entry.runtime,
        ),
    }
}

fn limits(given: registry_model::Limits, runtime: &Runtime) -> RunLimits {
    let seconds = given.seconds.or(runtime.timeout_s);
    let memory = given.memory_mib.or(runtime.memory_mib);
    RunLimits {
        seconds: seconds.unwrap_or(SECONDS).max(1),
        memory_mib: memory.unwrap_or(MEMORY_MIB).max(LEAST_MEMORY_MIB),
        cpus: given.cpus.or(runtime.cpu).unwrap_or(CPUS),
        pids: given.pids.unwrap_or(PIDS).max(LEAST_PIDS),
        output_mib: given.output_mib.unwrap_or(OUTPUT_MIB),
    }
}

fn names<S: serde::Serializer>(
    files: &BTreeMap<ArtifactPath, Vec<u8>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(files.keys())
}
