//! The client against a scripted registry on this machine.

#![expect(clippy::unwrap_used, reason = "helpers of a test may stop it")]

mod auth;
mod describe;
mod faults;
mod likeness;
mod many;
mod push;
mod real;
mod referrers;
mod script;
mod tag;
