//! Audit: what git pins, what Modal runs, and where the two differ.
//!
//! [`audit`] asks Modal what there is, with few requests and side by side; [`compare`] decides,
//! without any I/O. Which digest a live version has is told by the deployment record, where it
//! speaks of that very version, and else by the tag that each of our deploys gives its version.

mod compare;
mod report;
mod run;

pub(crate) use compare::digits;
pub use compare::{Found, Live, compare};
pub use report::{AppAudit, AuditReport, EnvironmentAudit, LiveVersion, MissingSecret, Standing};
pub use run::audit;

use registry_model::Environment;

use crate::Processor;

/// What git says about one environment.
#[derive(Clone, Debug)]
pub struct Pins {
    /// The environment, and the branch of its name.
    pub environment: Environment,
    /// All processors of that branch.
    pub processors: Vec<Processor>,
}
