//! Checks that really run, in repositories that really are.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like tests"
)]

mod caching;
mod changes;
mod planning;
mod progress;
mod running;
mod support;
