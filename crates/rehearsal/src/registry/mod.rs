//! An OCI registry on this machine, for as long as a value lives.
//!
//! It is the reference implementation (Debian's `docker-registry`, elsewhere `registry`), run
//! with a configuration of our own: a free loopback port, which Docker takes as insecure by
//! itself, storage in a folder of its own, deletion on, and an access log that tests and people
//! can read. When the [`EmbeddedRegistry`] goes, so does the program, and the folder too unless
//! the caller gave one.

mod config;
mod error;
mod server;

pub use error::RegistryError;
pub use server::{EmbeddedRegistry, RegistryOptions};
