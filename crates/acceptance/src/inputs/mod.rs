//! What a verdict depends on besides the image, as digests: what passed at the same inputs need not
//! run again.

mod compose;
mod fields;
mod files;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use registry_model::{Digest, PinnedImage, ProcessorRef};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub(crate) use fields::Fields;

use crate::{AcceptanceError, AcceptancePlan, contract};

/// To be raised when the same suite would be run in another way.
const SUITE_VERSION: u32 = 2;

/// The inputs of everything that a plan would run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inputs {
    /// Of the contract of each processor that has cases: the cases whole, with the bytes of their
    /// files, and the platform.
    pub contract: BTreeMap<ProcessorRef, Digest>,
    /// Of the suite: its command, the files of the repository or of the folder that the options name,
    /// the compose files with the variables that they name, the services, the environment from the
    /// options, the platform, and which images there are. `None` without a suite, when some processors
    /// are left out, or when not all of it can be read.
    pub suite: Option<Digest>,
}

/// Reads what `plan` would depend on with these `images`, before it changes anything. Of a folder
/// that is what git would not ignore, or, outside of git, all of it; symbolic links count as what they
/// are, and are not followed.
///
/// # Errors
/// When a compose file cannot be read, or the caller cancels. A folder that is too much, cannot be
/// read or has a link that leads out of it is a warning, and so is a compose file that takes in others:
/// the suite has no inputs.
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
    // What it proves without some processors is nothing that a receipt tells.
    if plan.left_out.is_some() {
        return Ok(None);
    }
    let folder = suite.depends_on.as_path();
    let inside = |path: &Path| {
        let below = path.strip_prefix(folder).unwrap_or(path);
        below.as_os_str().as_bytes().to_owned()
    };
    let mut fields = Fields::new("suite", SUITE_VERSION);
    fields.add("platform", plan.platform.to_string());
    fields.all("command", &suite.command);
    fields.add("directory", inside(&suite.directory));
    for (name, value) in &plan.env {
        fields.add("env", name);
        fields.add("env-value", value);
    }
    if let Some(stack) = plan.stack.get() {
        for path in stack.files() {
            let text = std::fs::read_to_string(path).map_err(|source| AcceptanceError::Read {
                path: path.clone(),
                source,
            })?;
            fields.add("compose-file", inside(path));
            fields.add("compose", &text);
            if let Err(problem) = compose::add(&mut fields, path, &text, &plan.env) {
                unknown(folder, &problem);
                return Ok(None);
            }
        }
        fields.all("service", &stack.services);
    }
    if let Some(objects) = &plan.objects {
        let options = serde_json::to_string(objects).unwrap_or_default();
        fields.add("objects", options);
    }
    let mut set: Vec<(&ProcessorRef, &PinnedImage)> =
        images.iter().map(|(one, image)| (one, image)).collect();
    set.sort_by_key(|(reference, _)| *reference);
    for (reference, image) in set {
        fields.add("ref", reference.to_string());
        fields.add("image", image.to_string());
    }
    match files::digest(folder, &suite.directory, cancel).await {
        Ok(files) => {
            fields.add("files", files.as_str());
            Ok(Some(fields.finish()))
        }
        Err(_) if cancel.is_cancelled() => Err(AcceptanceError::Cancelled),
        Err(problem) => {
            unknown(folder, &problem);
            Ok(None)
        }
    }
}

fn unknown(folder: &Path, problem: &files::Problem) {
    let folder = folder.display();
    tracing::warn!(
        "cannot tell whether the suite passed already, so it always runs: `{folder}` {problem}"
    );
}

#[cfg(test)]
mod tests;
