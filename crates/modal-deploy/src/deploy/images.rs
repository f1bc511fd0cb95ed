use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use registry_model::{Environment, PinnedImage};
use tokio_util::sync::CancellationToken;

use crate::ModalError;

const AT_ONCE: usize = 16;

/// Makes sure that the registry has all of `images`: one request each.
///
/// # Errors
/// [`ModalError::Images`] with each that is not there or cannot be asked for,
/// [`ModalError::Cancelled`].
pub(crate) async fn check(
    registry: &oci::Client,
    environment: &Environment,
    images: &BTreeSet<&PinnedImage>,
    cancel: &CancellationToken,
) -> Result<(), ModalError> {
    let asking = stream::iter(images)
        .map(async |image| (*image, registry.exists(image).await))
        .buffered(AT_ONCE)
        .collect::<Vec<_>>();
    let Some(answers) = cancel.run_until_cancelled(asking).await else {
        let what = format!("look up the images for `{environment}`");
        return Err(ModalError::Cancelled { what });
    };
    let mut problems = Vec::new();
    let mut hint = None;
    for (image, answer) in answers {
        match answer {
            Ok(true) => {}
            Ok(false) => {
                problems.push(format!("`{image}` is not there"));
                hint.get_or_insert_with(|| {
                    "build and pin it again; if it was cleaned up, keep the tags of pins".to_owned()
                });
            }
            Err(error) => {
                problems.push(crate::error::chain(&error));
                hint = hint.or_else(|| error.hint());
            }
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(ModalError::Images {
        environment: environment.clone(),
        problems,
        hint,
    })
}
