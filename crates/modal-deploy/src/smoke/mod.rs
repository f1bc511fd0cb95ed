//! Smoke: calling what was just deployed, and judging its reply.

mod run;
mod verdict;

pub use run::{SmokeOptions, Target, run};
pub use verdict::{Judgement, judge};
