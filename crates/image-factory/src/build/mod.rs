//! Builds and pushes what a plan says, with BuildKit through `docker buildx bake`.
//!
//! What it tells while it works is a table at the top of `progress.rs`.

mod bake;
mod cache;
mod csv;
mod epoch;
mod failure;
mod feature;
mod finish;
mod options;
mod passing;
mod preflight;
mod progress;
mod rawjson;
mod report;
mod rounds;
mod run;
mod secrets;

pub use cache::{Cache, CacheError, CacheKind};
pub use failure::{BuildFailure, FailedTarget};
pub use feature::Feature;
pub use options::BuildOptions;
pub use preflight::{Engine, preflight};
pub use report::{BuildReport, Built, Outcome, Replaced};
pub use run::build;
pub use secrets::{BuildSecret, SecretError, SecretSource};
