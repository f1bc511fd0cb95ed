//! Receipts: what they say, who signed them, and how they live in a registry.

#![expect(clippy::unwrap_used, reason = "helpers of a test may stop it")]

mod common;
mod cosign;
mod dsse;
mod front;
mod gate;
mod keys;
mod registry;
mod statement;
mod store;
mod verify;
mod writers;
