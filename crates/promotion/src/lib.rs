//! Brings what runs in one environment to the next: the same digests, by merging the same commit.
//!
//! An environment is a branch, and what should run there stands in that branch's registry files.
//! So a promotion is a merge, and everything that can be known about it is known before:
//!
//! * [`plan`] compares the pins of two [`Standing`]s, processor by processor and platform by
//!   platform. It refuses to promote what was never built (a pending pin) and what cannot be told
//!   apart (a ref that occurs twice).
//! * [`run`] opens one pull request from branch to branch, or takes the one that is open already,
//!   and merges it, but only if the branch still stands at the commit that was planned. With
//!   nothing to move, nothing is opened.
//!
//! Nothing is built or retagged on the way: the digest that was proven is the digest that moves.
//! To be sure of the outcome, read the target's files again and [`plan`] once more: the second plan
//! must be empty.
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
mod error;
mod forge;
mod plan;
mod report;
mod run;
mod text;

pub use error::PromotionError;
pub use forge::Forge;
pub use plan::{Change, Comparison, Processor, PromotionPlan, Standing, plan};
pub use report::{Move, PromotionReport, PullRequestLink};
pub use run::run;
