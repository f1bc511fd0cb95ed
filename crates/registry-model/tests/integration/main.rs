//! What the crate promises, tested from the outside.
#![expect(
    clippy::unwrap_used,
    reason = "in a helper of a test, too, a failure is a failed test"
)]

mod pin_edit;
mod pin_files;
mod pin_property;
mod pin_refusals;
mod pin_without;
mod registry_acceptance;
mod registry_load;
mod registry_select;
mod registry_smoke;
mod support;
