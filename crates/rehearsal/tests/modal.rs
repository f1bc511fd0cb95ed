//! The embedded control plane, with the unmodified `modal` program, Modal's Python package and
//! the real Docker engine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of a test may stop it"
)]

#[path = "modal/answering.rs"]
mod answering;
#[path = "modal/calls.rs"]
mod calls;
#[path = "modal/cli.rs"]
mod cli;
#[path = "modal/control.rs"]
mod control;
#[path = "modal/far.rs"]
mod far;
#[path = "modal/sdk.rs"]
mod sdk;
#[path = "modal/support.rs"]
mod support;
