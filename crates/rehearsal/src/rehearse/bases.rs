use std::collections::BTreeMap;
use std::time::Duration;

use process::{Command, ProcessError};
use registry_model::{Digest, Repository};
use tokio_util::sync::CancellationToken;

use super::RehearseError;

/// Base images that only the engine has, brought to the registry: there they have a digest, which
/// every builder can resolve and which the input key can hold.
///
/// A replacement that the engine does not have stays as it is: it is somewhere else.
pub(super) async fn publish(
    wanted: &BTreeMap<String, String>,
    host: &str,
    images: &oci::Client,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, String>, RehearseError> {
    let mut published = BTreeMap::new();
    for (name, replacement) in wanted {
        let reference = if in_engine(replacement, cancel).await? {
            push(replacement, host, images, cancel).await?
        } else {
            replacement.clone()
        };
        published.insert(name.clone(), reference);
    }
    Ok(published)
}

async fn in_engine(image: &str, cancel: &CancellationToken) -> Result<bool, RehearseError> {
    let looked = docker().args(["image", "inspect", "--format", "{{.Id}}", "--", image]);
    match looked.run(cancel).await {
        Ok(_) => Ok(true),
        Err(ProcessError::Failed { .. }) => Ok(false),
        Err(source) => Err(RehearseError::Base {
            image: image.to_owned(),
            source,
        }),
    }
}

async fn push(
    image: &str,
    host: &str,
    images: &oci::Client,
    cancel: &CancellationToken,
) -> Result<String, RehearseError> {
    let target = repository(image, host)?;
    let tagged = target.tagged("rehearsal");
    let run = async |args: &[&str]| {
        let done = docker().args(args).run(cancel).await;
        done.map_err(|source| RehearseError::Base {
            image: image.to_owned(),
            source,
        })
    };
    run(&["image", "tag", image, &tagged]).await?;
    let pushed = run(&["image", "push", "--quiet", &tagged]).await;
    run(&["image", "rm", "--no-prune", &tagged]).await?;
    pushed?;
    let digest: Option<Digest> = images.resolve(&target, "rehearsal").await?;
    let digest = digest.ok_or_else(|| RehearseError::Setting {
        what: "base image",
        problem: format!("`{tagged}` was pushed, but the registry does not have it"),
    })?;
    Ok(target.at(digest).to_string())
}

/// Where a base image goes: `<host>/bases/<its path>`.
fn repository(image: &str, host: &str) -> Result<Repository, RehearseError> {
    let unpinned = image.split('@').next().unwrap_or(image);
    let path = match unpinned.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => path,
        _ => unpinned,
    };
    let path = path.replace(':', "-");
    format!("{host}/bases/{path}")
        .parse()
        .map_err(|error: registry_model::ImageError| RehearseError::Setting {
            what: "base image",
            problem: error.to_string(),
        })
}

fn docker() -> Command {
    Command::new("docker").timeout(Duration::from_secs(600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_without_tag_digest_and_port() {
        let at = |image| repository(image, "127.0.0.1:5000").unwrap().to_string();
        assert_eq!(
            at("example/python:slim"),
            "127.0.0.1:5000/bases/example/python"
        );
        assert_eq!(
            at("localhost:5001/a/b:1@sha256:00"),
            "127.0.0.1:5000/bases/localhost-5001/a/b"
        );
        assert!(repository("Upper/case", "127.0.0.1:5000").is_err());
    }
}
