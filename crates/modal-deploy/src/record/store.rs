use registry_model::Environment;
use tokio_util::sync::CancellationToken;

use super::{Change, RECORD_SECRET, Record};
use crate::{Control, ModalError};

/// Reads the record of an environment; `None` when it cannot be told.
///
/// # Errors
/// [`ModalError::Rpc`], [`ModalError::Cancelled`].
pub async fn read(
    control: &Control,
    environment: &Environment,
    cancel: &CancellationToken,
) -> Result<Option<Record>, ModalError> {
    let secrets = control.secrets(environment, cancel).await?;
    Ok(Record::among(&secrets))
}

/// Makes these changes in their order, and those of `record` that they replace undone; changes
/// that others made since it was read stay. Afterwards `record` holds them too. Asks for nothing
/// when there is nothing to change, and has no effect where single keys cannot be changed.
///
/// # Errors
/// [`ModalError::Rpc`], [`ModalError::Cancelled`]; then `record` is as before, although Modal may
/// have made the changes. Making them again does no harm.
pub async fn write(
    control: &Control,
    environment: &Environment,
    record: &mut Record,
    changes: &[Change],
    cancel: &CancellationToken,
) -> Result<(), ModalError> {
    let mut changed = record.clone();
    for change in changes {
        changed.apply(change);
    }
    let keys = record.difference(&changed);
    if keys.is_empty() {
        return Ok(());
    }
    let made = control.change_keys(environment, RECORD_SECRET, &keys, cancel);
    if made.await? {
        *record = changed;
    }
    Ok(())
}
