//! Builds and pushes what a plan says, with BuildKit through `docker buildx bake`.

mod bake;
mod failure;
mod preflight;
mod progress;
mod rawjson;
mod report;
mod run;

pub use failure::{BuildFailure, FailedTarget};
pub use preflight::{Engine, preflight};
pub use report::{BuildReport, Built, Outcome, Replaced};
pub use run::{BuildOptions, build};
