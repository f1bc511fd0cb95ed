//! Images by digest, in the engine before anything else starts.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use process::Command;
use registry_model::{PinnedImage, Platform, ProcessorRef};
use tokio_util::sync::CancellationToken;

use crate::AcceptanceError;
use crate::error::{ImageProblem, ImageWhy};

const AT_ONCE: usize = 4;
const PULL_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Pulls each image that the engine does not have, and checks what it is made for.
pub(crate) async fn fetch(
    images: &[(ProcessorRef, PinnedImage)],
    platform: &Platform,
    cancel: &CancellationToken,
) -> Result<(), AcceptanceError> {
    // Owned, not borrowed: a stream of borrowing futures would make the caller's future one that
    // cannot be spawned.
    let checks = images.iter().cloned().map(|(reference, image)| async move {
        let why = check(&image, platform, cancel).await.err()?;
        Some(ImageProblem {
            reference,
            image,
            why,
        })
    });
    let problems: Vec<ImageProblem> = stream::iter(checks)
        .buffered(AT_ONCE)
        .filter_map(async |problem| problem)
        .collect()
        .await;
    if cancel.is_cancelled() {
        Err(AcceptanceError::Cancelled)
    } else if problems.is_empty() {
        Ok(())
    } else {
        Err(AcceptanceError::Images { problems })
    }
}

async fn check(
    image: &PinnedImage,
    platform: &Platform,
    cancel: &CancellationToken,
) -> Result<(), ImageWhy> {
    let name = image.to_string();
    let made_for = match made_for(&name, cancel).await {
        Ok(found) => found,
        Err(_) => {
            tracing::info!(target: "pipeline::progress", stage = "acceptance", item = %name, "pulling");
            let unavailable =
                |error: process::ProcessError| ImageWhy::Unavailable(last_words(&error));
            Command::new("docker")
                .args([
                    "pull",
                    "--quiet",
                    "--platform",
                    &platform.to_string(),
                    &name,
                ])
                .timeout(PULL_LIMIT)
                .run(cancel)
                .await
                .map_err(unavailable)?;
            made_for(&name, cancel).await.map_err(unavailable)?
        }
    };
    let wanted = format!("{}/{}", platform.os(), platform.arch());
    if made_for == wanted {
        Ok(())
    } else {
        Err(ImageWhy::Platform {
            found: made_for,
            wanted: platform.clone(),
        })
    }
}

async fn made_for(name: &str, cancel: &CancellationToken) -> Result<String, process::ProcessError> {
    let format = "{{.Os}}/{{.Architecture}}";
    let output = Command::new("docker")
        .args(["image", "inspect", "--format", format, name])
        .timeout(Duration::from_secs(30))
        .run(cancel)
        .await?;
    Ok(output.stdout_text().trim().to_owned())
}

/// What the engine said, without the command line that is known anyway.
fn last_words(error: &process::ProcessError) -> String {
    let said = error.stderr().lines().rfind(|line| !line.trim().is_empty());
    said.map_or_else(|| error.to_string(), |line| line.trim().to_owned())
}
