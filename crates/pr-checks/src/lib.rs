//! The fast lane: checks as data, run side by side, all findings reported.
//!
//! A [`Check`] is a command, where it runs, which files make it run, how long it may take and how
//! its output is read; [`defaults::runbook`] has those of the runbook. [`observe`] looks at the
//! files and programs that the checks depend on, [`plan`] decides which of them run, and [`run`]
//! does it: as many at once as there are cores, each after those that it needs. One that fails
//! does not hide the others. What a check says becomes [`Finding`]s with file and line, the same
//! value for the log, the annotations and the JSON report.
//!
//! A check that passed is not run again on the same files with the same programs. What those are
//! is what its definition says: a program that also reads other files, or the network, should
//! name neither `paths` nor `inputs`, and always runs.
//!
//! ```
//! use pr_checks::{Check, Options, Verdict};
//! use tokio_util::sync::CancellationToken;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let check: Check = serde_json::from_str(r#"{"name": "always-fine", "command": ["true"]}"#).unwrap();
//! let options = Options {
//!     root: std::env::temp_dir(),
//!     cache: None,
//!     jobs: 2,
//! };
//! let cancel = CancellationToken::new();
//! let checks = [check];
//! let facts = pr_checks::observe(&checks, None, &options, &cancel).await?;
//! let plan = pr_checks::plan(&checks, &facts)?;
//! let report = pr_checks::run(&plan, &options, &cancel).await?;
//! assert_eq!(report.checks[0].verdict, Verdict::Passed);
//! # Ok::<(), pr_checks::ChecksError>(()) }).unwrap();
//! ```

mod cache;
mod changes;
mod check;
mod coverage;
pub mod defaults;
mod diff;
mod error;
mod finding;
mod hash;
mod inputs;
mod name;
mod order;
mod parser;
mod percent;
mod place;
mod plan;
mod report;
mod run;
mod source;
mod text;
mod versions;
mod xml;

pub use changes::Changes;
pub use check::{Check, Manager, Package};
pub use coverage::{ChangedLines, CoverageReport};
pub use error::ChecksError;
pub use finding::{Finding, Severity};
pub use inputs::observe;
pub use name::CheckName;
pub use parser::Parser;
pub use percent::Percent;
pub use plan::{Action, Facts, Options, Plan, Planned, plan};
pub use report::{CheckReport, ChecksReport, Verdict};
pub use run::run;
