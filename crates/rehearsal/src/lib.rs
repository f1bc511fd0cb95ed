//! The embedded defaults: an OCI registry, a GitHub API and a Modal control plane with which the
//! whole pipeline runs on one machine with no account.

pub mod github;
pub mod modal;
pub mod registry;
pub mod rehearse;
