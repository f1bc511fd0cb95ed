use registry_model::Environment;
use tokio_util::sync::CancellationToken;

use crate::client::StoredSecret;
use crate::{Control, ModalError, deploy};

/// All secrets of an environment, which is made where it is missing and `create` allows to.
///
/// # Errors
/// [`ModalError::EnvironmentMissing`] with the names of those that exist, [`ModalError::Rpc`],
/// [`ModalError::Cancelled`].
pub async fn stored(
    control: &Control,
    environment: &Environment,
    create: bool,
    cancel: &CancellationToken,
) -> Result<Vec<StoredSecret>, ModalError> {
    // Side by side, although there is nothing to list in one that is missing: that is rare, and
    // its error is the better one.
    let (found, listed) = tokio::join!(
        deploy::environment(control, environment, create, cancel),
        control.secrets(environment, cancel),
    );
    match found? {
        Some(_) => listed,
        None => {
            deploy::create(control, environment, cancel).await?;
            Ok(Vec::new())
        }
    }
}
