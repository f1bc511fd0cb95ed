//! What a verdict depends on besides the image, as digests: what passed at the same inputs need not
//! run again.

mod fields;
mod files;

use std::collections::BTreeMap;

use registry_model::{Digest, PinnedImage, ProcessorRef};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub(crate) use fields::Fields;

use crate::{AcceptanceError, AcceptancePlan, contract};

/// To be raised when the same suite would be run in another way.
const SUITE_VERSION: u32 = 1;

/// The inputs of everything that a plan would run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inputs {
    /// Of the contract of each processor that has cases: the cases whole, with the bytes of their
    /// files, and the platform.
    pub contract: BTreeMap<ProcessorRef, Digest>,
    /// Of the suite: its command, the files of its folder and the compose files, the services, the
    /// environment from the options, the platform, and which images there are. `None` without a
    /// suite, or when its folder is more than can be read.
    pub suite: Option<Digest>,
}

/// Reads what `plan` would depend on with these `images`, before it changes anything. Of the folder
/// of the suite that is what git would not ignore, or, outside of git, all of it; symbolic links
/// count as what they are, and are not followed.
///
/// # Errors
/// When a compose file cannot be read, or the caller cancels. A folder that is too much or cannot be
/// read is a warning: its suite has no inputs.
pub async fn inputs(
    plan: &AcceptancePlan,
    images: &[(ProcessorRef, PinnedImage)],
    cancel: &CancellationToken,
) -> Result<Inputs, AcceptanceError> {
    let contract = plan.contract.get();
    let contract = contract.map(|contract| contract::inputs(contract, &plan.platform));
    Ok(Inputs {
        contract: contract.unwrap_or_default(),
        suite: suite(plan, images, cancel).await?,
    })
}

async fn suite(
    plan: &AcceptancePlan,
    images: &[(ProcessorRef, PinnedImage)],
    cancel: &CancellationToken,
) -> Result<Option<Digest>, AcceptanceError> {
    let Some(suite) = plan.suite.get() else {
        return Ok(None);
    };
    let mut fields = Fields::new("suite", SUITE_VERSION);
    fields.add("platform", plan.platform.to_string());
    fields.all("command", &suite.command);
    for (name, value) in &plan.env {
        fields.add("env", name);
        fields.add("env-value", value);
    }
    if let Some(stack) = plan.stack.get() {
        for path in stack.files() {
            let text = std::fs::read(path).map_err(|source| AcceptanceError::Read {
                path: path.clone(),
                source,
            })?;
            fields.add("compose", text);
        }
        fields.all("service", &stack.services);
    }
    let mut set: Vec<(&ProcessorRef, &PinnedImage)> =
        images.iter().map(|(one, image)| (one, image)).collect();
    set.sort_by_key(|(reference, _)| *reference);
    for (reference, image) in set {
        fields.add("ref", reference.to_string());
        fields.add("image", image.to_string());
    }
    match files::digest(&suite.directory, cancel).await {
        Ok(files) => {
            fields.add("files", files.as_str());
            Ok(Some(fields.finish()))
        }
        Err(_) if cancel.is_cancelled() => Err(AcceptanceError::Cancelled),
        Err(problem) => {
            let folder = suite.directory.display();
            tracing::warn!(
                "cannot tell whether the suite passed already, so it always runs: `{folder}` \
                 {problem}"
            );
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
