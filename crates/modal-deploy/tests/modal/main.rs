//! The client, the deploy and the smoke against a scripted control plane and a scripted `modal`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod calls;
mod deploys;
mod plane;
mod resilience;
mod secrets;
mod shim;
