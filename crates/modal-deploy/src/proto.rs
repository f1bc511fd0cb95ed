//! The messages, the client and the server that `build.rs` makes of `proto/modal.proto`.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::allow_attributes_without_reason,
    reason = "generated code; what each message means stands in `proto/modal.proto`"
)]

tonic::include_proto!("modal.client");
