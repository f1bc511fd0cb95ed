//! Brings what runs in one environment to the next: the same digests, by merging the same commit.
//!
//! An environment is a branch, and what should run there stands in that branch's registry files.
//! So a promotion is a merge, and everything that can be known about it is known before:
//!
//! * [`plan`] compares the pins of two [`Standing`]s, processor by processor and platform by
//!   platform.
//! * [`gate`](gate()) says of each processor whether it may go, or why not, from what lies beside its
//!   images and what else was found out ([`Evidence`]). It asks nobody. [`admit`] is the decision, and
//!   [`receipts`](receipts()) what is to be kept of it.
//! * [`run`] opens one pull request from a branch that carries exactly what was planned, or takes the
//!   one that is open already, and merges it if that is wanted. Everything goes as the planned
//!   commit itself; some processors go as a commit that changes their pins and nothing else.
//! * [`verify`] compares the target, read again, with the plan.
//!
//! Nothing is built or retagged on the way: the digest that was proven is the digest that moves.
//! [`board`] shows where each of them stands.
//!
//! ```
//! use promotion::{Change, Processor, Standing, plan};
//! use registry_model::{Pin, PinPlace, PinState};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let standing = |environment: &str, commit: &str, digit: &str| {
//!     let image = format!("ghcr.io/acme/llm-litellm@sha256:{}", digit.repeat(64));
//!     Ok::<_, Box<dyn std::error::Error>>(Standing {
//!         environment: environment.parse()?,
//!         commit: commit.repeat(40).parse()?,
//!         processors: vec![Processor {
//!             reference: "llm/litellm@1".parse()?,
//!             file: "registry/llm.yaml".into(),
//!             pins: vec![Pin { place: PinPlace::Oci, state: PinState::Pinned(image.parse()?) }],
//!         }],
//!     })
//! };
//! let dev = standing("dev", "a", "1")?;
//! let staging = standing("staging", "b", "0")?;
//!
//! let plan = plan(&dev, &staging)?;
//! assert!(!plan.is_empty());
//! assert!(matches!(plan.comparisons[0].change, Change::Move { .. }));
//! # Ok(())
//! # }
//! ```

pub mod board;
mod branch;
mod edits;
mod error;
mod forge;
mod gate;
mod meet;
mod plan;
mod receipts;
mod report;
mod run;
mod text;
mod tidy;
mod verify;

pub use error::PromotionError;
pub use forge::Forge;
pub use gate::{Admission, Evidence, Proof, Rule, Rules, WhyNot, admit, gate};
pub use meet::{Meeting, meet};
pub use plan::{Change, Comparison, Processor, PromotionPlan, Standing, plan};
pub use receipts::receipts;
pub use report::{Bypass, Move, PromotionReport, PullRequestLink};
pub use run::{Loss, RunOptions, Scope, run};
pub use verify::verify;
