//! Builds and pushes what a plan says, with BuildKit through `docker buildx bake`.
//!
//! What it tells while it works is a table at the top of `progress.rs`.

mod address;
mod bake;
mod cache;
mod csv;
mod earlier;
mod epoch;
mod failure;
mod feature;
mod finish;
mod fit;
mod image_id;
mod options;
mod passing;
mod preflight;
mod progress;
mod rawjson;
mod receipts;
mod report;
mod reused;
mod rounds;
mod run;
mod secrets;
mod sizes;
mod target;

pub use cache::{Cache, CacheError, CacheKind};
pub use failure::{BuildFailure, FailedTarget};
pub use feature::Feature;
pub(crate) use image_id::image_id;
pub use options::BuildOptions;
pub use preflight::{Engine, preflight};
pub use receipts::receipts;
pub use report::{BuildReport, Built, Outcome, Replaced};
pub use run::build;
pub use secrets::{BuildSecret, SecretError, SecretSource};
