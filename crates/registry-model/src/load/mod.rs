//! From a repository to the entries of its registry.

mod build;
mod document;
mod files;
mod image;
mod paths;
mod reader;
mod registry;
mod runtime;
mod secrets;

pub use registry::{LoadOptions, Registry};
