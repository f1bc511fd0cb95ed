//! The fast lane: checks as data, run side by side, all findings reported.
//!
//! A [`Check`] is a command, where it runs, how long it may take and how its output is read. All
//! checks run at once within the given number of cores; one that fails does not hide the others.
//! What a check says becomes [`Finding`]s with file and line, the same value for the log, the
//! annotations and the JSON report.
//!
//! ```
//! use pr_checks::{Check, Parser, Verdict};
//! use tokio_util::sync::CancellationToken;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let check = Check {
//!     name: "always-fine".into(),
//!     command: vec!["true".into()],
//!     directory: ".".into(),
//!     timeout_seconds: 10,
//!     parser: Parser::ExitCode,
//! };
//! let folder = std::env::temp_dir();
//! let report = pr_checks::run(&[check], &folder, 2, &CancellationToken::new()).await;
//! assert_eq!(report.checks[0].verdict, Verdict::Passed);
//! # });
//! ```

mod check;
mod defaults;
mod ruff;
mod run;

pub use check::{Check, CheckReport, ChecksReport, Finding, Parser, Verdict};
pub use defaults::runbook;
pub use run::run;
