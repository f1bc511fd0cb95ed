//! Secrets: which ones an environment needs, where their values come from, which of them must be
//! written, and writing them.

mod decide;
mod names;
mod plan;
mod problem;
mod report;
mod source;
mod stored;
mod sync;

pub use decide::{SecretStep, Why, decide, orphans};
pub use names::{NameRule, NameRuleError};
pub use plan::{PlannedSecret, SecretPlan, plan};
pub use problem::SecretProblem;
pub use report::{SecretOutcome, SecretReport, SyncReport};
pub use source::SecretSource;
pub use stored::stored;
pub use sync::sync;

use registry_model::SecretNames;

/// The secrets that belong to no processor but to the environment: `REGISTRY_AUTH`, with which
/// Modal pulls from the registry. It is optional here, as it may be kept in Modal by hand.
#[must_use]
pub fn shared() -> SecretNames {
    SecretNames {
        required: Vec::new(),
        optional: vec!["REGISTRY_AUTH".to_owned()],
    }
}
