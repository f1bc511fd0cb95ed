use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::plan::SecretPlan;
use crate::{Client, ModalError};

/// How many secrets are written side by side.
const AT_ONCE: usize = 8;

/// Writes all secrets of `plan`, and returns their names, sorted.
///
/// Writing replaces all keys of a secret. The first refusal ends it; what was written stays.
///
/// # Errors
/// [`ModalError::Rpc`] naming the secret, [`ModalError::Throttled`], [`ModalError::Cancelled`].
pub async fn sync(
    client: &Client,
    plan: &SecretPlan,
    cancel: &CancellationToken,
) -> Result<Vec<String>, ModalError> {
    let write = stream::iter(&plan.secrets)
        .map(|secret| async move {
            client
                .upsert_secret(&plan.environment, &secret.name, &secret.values)
                .await?;
            Ok(secret.name.clone())
        })
        .buffered(AT_ONCE)
        .try_collect();
    cancel.run_until_cancelled(write).await.unwrap_or_else(|| {
        Err(ModalError::Cancelled {
            what: format!("write the secrets of `{}`", plan.environment),
        })
    })
}
