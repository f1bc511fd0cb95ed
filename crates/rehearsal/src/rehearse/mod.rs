//! The rehearsal: every stage, in order, on a scratch copy of a repository.

mod acceptance_stage;
mod again;
mod attest;
mod bases;
mod environments;
mod error;
mod factory;
mod options;
mod proof;
mod report;
mod run;
mod scene;
mod scratch;
mod secrets;
mod servers;
mod stages;

pub use error::RehearseError;
pub use options::RehearseOptions;
pub use proof::{ProofRow, Verdict};
pub use report::{Again, RehearsalReport, StageReport, Status};
pub use run::run;
