//! The protocol of the GitHub Actions runner: workflow commands, outputs and the job summary.
//!
//! Source: GitHub Docs, "Workflow commands for GitHub Actions"; the escapes are those of
//! `actions/toolkit`, `packages/core/src/command.ts`.

mod annotation;
mod files;
mod mask;

pub use annotation::{Annotation, Level};
pub use files::{FileError, append_output, append_summary};
pub use mask::mask;
