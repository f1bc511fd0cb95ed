//! Whole rehearsals on the real engine: the way through, a foreign repository, and every fault
//! that ends one early.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like tests"
)]

mod engine;
mod example;
mod faults;
mod foreign;
mod gate;
mod interrupt;
mod run;
