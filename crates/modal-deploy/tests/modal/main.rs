//! The client, the deploy and the smoke against a scripted control plane and a scripted `modal`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod blob;
mod calls;
mod cli_control;
mod converge;
mod deploys;
mod example;
mod failures;
mod faults;
mod history;
mod inputs;
mod interruptions;
mod plane;
mod preflight;
mod races;
mod record;
mod resilience;
mod rollback;
mod scene;
mod secrets;
mod shim;
mod smoke;
