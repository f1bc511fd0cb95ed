//! From a repository to the entries of its registry.

mod acceptance;
mod build;
mod document;
mod fields;
mod files;
mod image;
mod json;
mod paths;
mod reader;
mod registry;
mod runtime;
mod secrets;
mod smoke;

pub(crate) use document::value as document;
pub use registry::{LoadOptions, Registry};
