//! The contract of each processor, held against its pinned image on the Docker engine.
//!
//! A case of the registry file is one request. The image gets it on standard input, writes its files
//! below one folder, and answers with one JSON object, as `docs/acceptance.md` says. It runs without
//! network, without a way to write anything else, and within limits that the kernel keeps.

mod canonical;
mod container;
mod engine;
mod envelope;
mod holder;
mod inputs;
mod judge;
mod media;
mod memory;
mod outputs;
mod plan;
mod report;
mod run;
mod sources;
mod spec;

pub(crate) use engine::address as engine_address;
pub(crate) use inputs::inputs;
pub(crate) use plan::plan;
pub use plan::{CasePlan, ContractPlan, RunLimits};
pub use report::{
    ArtifactReport, CaseReport, ContractReport, Violation, ViolationCode, ViolationText,
};
pub(crate) use run::run;
pub use sources::CaseSource;
pub(crate) use sources::read;
