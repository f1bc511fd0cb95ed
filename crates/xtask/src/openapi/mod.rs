//! `cargo xtask openapi`: the part of GitHub's own description of its API against which the tests
//! check requests and answers.

mod cut;
mod operations;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use process::Command;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::{say, workspace};

/// GitHub's description, as its own SDKs get it; MIT.
const PACKAGE: &str = "@octokit/openapi";
/// What is needed from the package.
const DESCRIPTION: &str = "package/generated/api.github.com.json";
const MANIFEST: &str = "package/package.json";
const LICENCE: &str = "package/LICENSE";
/// Where the part that the tests read is, below the workspace.
const FOLDER: &str = "crates/rehearsal/tests/openapi";
/// The package has 30 MB.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(600);

/// Fetches the newest package with npm and writes the part of it that the tests need, with the
/// package's licence beside it.
///
/// # Errors
/// When npm or tar fail, or the description has no such operation any more.
pub(crate) async fn command(cancel: &CancellationToken) -> Result<ExitCode, Error> {
    let folder = workspace::root()?.join(FOLDER);
    let scratch = tempfile::tempdir().map_err(|error| Error::io("create a folder", error))?;
    say::line(format_args!("fetching {PACKAGE}"));
    fetch(scratch.path(), cancel).await?;
    let manifest = read_json(&scratch.path().join(MANIFEST))?;
    let version = manifest["version"].as_str().unwrap_or_default();
    let description = read_json(&scratch.path().join(DESCRIPTION))?;
    let part = cut::cut(&description, operations::USED)?;
    let target = folder.join("github.json");
    let text = cut::lines(&format!("{PACKAGE} {version}"), &part);
    std::fs::write(&target, text).map_err(written(&target))?;
    let licence = folder.join("LICENSE");
    std::fs::copy(scratch.path().join(LICENCE), &licence).map_err(written(&licence))?;
    say::line(format_args!(
        "{} has {} operations and {} schemas of {PACKAGE} {version}",
        target.display(),
        part.operations.len(),
        part.schemas.len()
    ));
    Ok(ExitCode::SUCCESS)
}

async fn fetch(scratch: &Path, cancel: &CancellationToken) -> Result<(), Error> {
    Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(scratch)
        .arg(format!("{PACKAGE}@latest"))
        // Not in the workspace, whose settings are not npm's business.
        .current_dir(scratch)
        .timeout(DOWNLOAD_LIMIT)
        .run(cancel)
        .await?;
    let archive = std::fs::read_dir(scratch)
        .map_err(|error| Error::io("read what npm fetched", error))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .ok_or_else(|| not_in_package("an archive"))?;
    Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("-C")
        .arg(scratch)
        .args(["--", MANIFEST, LICENCE, DESCRIPTION])
        .run(cancel)
        .await?;
    Ok(())
}

fn read_json(path: &Path) -> Result<Value, Error> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::io(format!("read {}", path.display()), error))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::format(path.display().to_string(), error))
}

fn written(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let operation = format!("write {}", path.display());
    |error| Error::io(operation, error)
}

fn not_in_package(file: impl Into<String>) -> Error {
    Error::NotInPackage {
        file: file.into(),
        package: PACKAGE.to_owned(),
    }
}
