//! Preflight: everything a deploy needs, checked before anything is changed.
//!
//! [`ask`] looks at all of it side by side, [`judge`] says what is wrong, without asking anybody,
//! and [`run`] does both. What could not be looked at because something else is wrong is said to
//! be not checked, and never to be right.

mod ask;
mod facts;
mod finding;
mod judge;

pub use ask::ask;
pub use facts::{AtHand, Facts, Trouble, Wanted};
pub use finding::{Check, Finding, PreflightReport, Status};
pub use judge::judge;
pub(crate) use judge::{REGISTRY_PASSWORD, REGISTRY_USERNAME};

use tokio_util::sync::CancellationToken;

use crate::{Control, ModalError};

/// Checks what a deploy needs. `control` may be what stood in the way of asking Modal at all: that
/// is a finding like others, and the rest is checked none the less.
///
/// # Errors
/// [`ModalError::Cancelled`]. Everything else is a finding.
pub async fn run(
    control: Result<&Control, &ModalError>,
    wanted: &Wanted,
    cancel: &CancellationToken,
) -> Result<PreflightReport, ModalError> {
    let facts = ask(control, wanted, cancel).await?;
    Ok(PreflightReport {
        schema: 1,
        environment: wanted.environment.clone(),
        findings: judge(wanted, &facts),
    })
}
