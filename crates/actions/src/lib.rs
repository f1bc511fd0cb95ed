//! Where the stages meet people and workflows: the `pipeline` command, the runner protocol of
//! GitHub Actions, and how errors, progress and reports are shown.
//!
//! The stages themselves know nothing of this. What they return is a report; this crate prints
//! it as a table, writes it as JSON, and turns a failure into one message and an exit code.
//!
//! ```
//! use actions::Exit;
//! use actions::runner::{Annotation, Level};
//!
//! let annotation = Annotation {
//!     level: Level::Error,
//!     place: Some(("registry/a.yaml".into(), 3, 8)),
//!     title: None,
//!     message: "not pinned".into(),
//! };
//! assert_eq!(annotation.to_string(), "::error file=registry/a.yaml,line=3,col=8::not pinned");
//! assert_eq!(Exit::Build.code(), 11);
//! ```

pub mod cli;
mod config;
mod exit;
pub mod runner;
mod ui;

pub use exit::Exit;

/// The examples of README, which the doc tests compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
