//! The embedded defaults: an OCI registry, a GitHub API and a Modal control plane with which the
//! whole pipeline runs on one machine with no account.
//!
//! * [`registry`]: a registry that the Docker engine pushes to and pulls from;
//! * [`github`]: the part of GitHub's REST API that the pipeline uses, over bare git repositories;
//! * [`modal`]: a control plane for the unmodified `modal` command and SDK;
//! * [`rehearse`]: every stage in order, on a scratch copy of a repository, against all three.
//!
//! Each can be started alone, in a test or from the command line (`pipeline serve`), and ends with
//! its value.
//!
//! ```no_run
//! use rehearsal::rehearse::{RehearsalReport, RehearseOptions, run};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example() -> Result<(), rehearsal::rehearse::RehearseError> {
//! let options = RehearseOptions::new("../my-processors");
//! let mut report = RehearsalReport::default();
//! run(&options, &mut report, &CancellationToken::new()).await?;
//! for row in &report.proof {
//!     println!("{} in {}: {:?}", row.reference, row.environment, row.verdict);
//! }
//! # Ok(()) }
//! ```

pub mod github;
pub mod modal;
pub mod registry;
pub mod rehearse;
