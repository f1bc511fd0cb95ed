//! Rollback: an earlier image of one app, and the hold that keeps automation from undoing it.
//!
//! A digest may come back where it was live before: [`Standing::proof`] looks for it in the
//! deployment record and in the tags of Modal's history. It comes back by a deploy like any other
//! ([`crate::run`] with [`crate::RunOptions::keep_holds`]), which works on every plan of Modal, or
//! by Modal's own rollback ([`Standing::native`], [`native`]), which only some plans have. Before
//! either, [`hold`] notes in the deployment record that a person wants it: deploys of something
//! else leave the app alone until the registry files pin the same digest, or [`release`].

mod standing;

use registry_model::{Digest, Environment};
use tokio_util::sync::CancellationToken;

use crate::record::{self, Change};
use crate::{Control, ModalError};

pub use standing::{Native, Proof, Standing, look};

/// Holds an app at a digest, in place of any other. `false` where the deployment record cannot be
/// kept, so that the next deploy brings back what is pinned.
///
/// # Errors
/// [`ModalError::Rpc`], [`ModalError::Cancelled`].
pub async fn hold(
    control: &Control,
    environment: &Environment,
    app: &str,
    digest: &Digest,
    cancel: &CancellationToken,
) -> Result<bool, ModalError> {
    let Some(mut record) = record::read(control, environment, cancel).await? else {
        return Ok(false);
    };
    let changes = [Change::Hold(app.to_owned(), digest.clone())];
    record::write(control, environment, &mut record, &changes, cancel).await?;
    Ok(record.hold(app).as_ref() == Some(digest))
}

/// Ends the hold of an app, and returns the digest at which it was held; `None` when it was not.
///
/// # Errors
/// [`ModalError::Rpc`], [`ModalError::Cancelled`].
pub async fn release(
    control: &Control,
    environment: &Environment,
    app: &str,
    cancel: &CancellationToken,
) -> Result<Option<Digest>, ModalError> {
    let Some(mut record) = record::read(control, environment, cancel).await? else {
        return Ok(None);
    };
    let held = record.hold(app);
    let changes = [Change::Release(app.to_owned())];
    record::write(control, environment, &mut record, &changes, cancel).await?;
    Ok(held)
}

/// Modal's own rollback to an earlier version, and the version that is live then. Which code and
/// which secrets it has is not ours to say, so the next deploy after the hold makes it anew.
///
/// # Errors
/// [`ModalError::Rpc`], also where the plan does not allow it; [`ModalError::Unsupported`],
/// [`ModalError::Cancelled`].
pub async fn native(
    control: &Control,
    environment: &Environment,
    app: &str,
    version: u32,
    cancel: &CancellationToken,
) -> Result<Option<u32>, ModalError> {
    control
        .native_rollback(environment, app, version, cancel)
        .await?;
    if let Some(mut record) = record::read(control, environment, cancel).await? {
        let changes = [Change::Unmark(app.to_owned())];
        record::write(control, environment, &mut record, &changes, cancel).await?;
    }
    let live = control.app(environment, app, cancel).await?;
    Ok(live.and_then(|live| live.version))
}
