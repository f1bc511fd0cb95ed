//! The `pipeline` command as people and workflows run it: real processes, the real Docker engine,
//! the real `modal` program, and the embedded services of `rehearsal` at the other end.
//!
//! Every run gets a temporary folder of its own, which must be empty when it has ended.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

mod accept;
mod action;
mod attest;
mod bench;
mod board;
mod build_failures;
mod deploy;
mod digests;
mod doctor;
mod doctor_modal;
mod factory;
mod findings;
mod help;
mod matrix;
mod pin_set;
mod project;
mod promote;
mod propose;
mod pty;
mod receipts;
mod rehearse;
mod report;
mod secrets;
mod serve;
mod services;
mod status;
mod workflow;
