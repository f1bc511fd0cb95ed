//! Real stacks on the real engine: what the suite sees, how each way to end ends, what is left.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like tests"
)]

mod contract;
mod faults;
mod images;
mod killed;
mod machine;
mod objects;
mod processor;
mod suite;
mod support;
mod told;
mod up;
