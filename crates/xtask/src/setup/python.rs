use std::path::{Path, PathBuf};

use process::Command;
use tokio_util::sync::CancellationToken;

use super::probe::ask;
use crate::error::Error;
use crate::say;
use crate::version::Version;

/// The oldest Python that the pinned Modal client accepts.
pub(crate) const OLDEST: [u64; 2] = [3, 10];

/// Written last: an environment without it was interrupted, and is made anew.
const COMPLETE: &str = ".complete";

/// An interpreter that can make virtual environments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Python {
    pub(crate) path: PathBuf,
    pub(crate) version: Version,
}

/// The first interpreter on `PATH` that is new enough and can make virtual environments.
///
/// # Errors
/// On cancellation.
pub(crate) async fn find(cancel: &CancellationToken) -> Result<Option<Python>, Error> {
    let script = "import sys, venv, ensurepip; \
                  print(sys.executable); print('.'.join(map(str, sys.version_info[:3])))";
    for name in [
        "python3",
        "/usr/bin/python3",
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
    ] {
        let Some(answer) = ask(name, &["-c", script], cancel).await? else {
            continue;
        };
        let mut lines = answer.lines();
        if let (Some(path), Some(version)) = (lines.next(), lines.next().and_then(Version::find))
            && version.at_least(&OLDEST)
        {
            return Ok(Some(Python {
                path: path.into(),
                version,
            }));
        }
    }
    Ok(None)
}

/// Whether the environment was made to its end, and its interpreter is still there.
pub(crate) fn is_complete(folder: &Path) -> bool {
    folder.join(COMPLETE).is_file() && process::which(folder.join("bin/python")).is_some()
}

/// Makes a virtual environment with `packages`.
///
/// An environment cannot be moved once made, so it grows in place and counts when the file
/// that says so is there; what an interrupted run left is removed first.
///
/// # Errors
/// When it cannot be made, or a package cannot be had.
pub(crate) async fn make_environment(
    python: &Python,
    folder: &Path,
    packages: &[&str],
    cancel: &CancellationToken,
) -> Result<(), Error> {
    remove(folder)?;
    let made = fill(python, folder, packages, cancel).await;
    if made.is_err()
        && let Err(error) = remove(folder)
    {
        say::line(format_args!("set-up: failed to {error}"));
    }
    made
}

async fn fill(
    python: &Python,
    folder: &Path,
    packages: &[&str],
    cancel: &CancellationToken,
) -> Result<(), Error> {
    Command::new(&python.path)
        .args(["-m", "venv"])
        .arg(folder)
        .run(cancel)
        .await?;
    Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .arg("--disable-pip-version-check")
        .args(packages)
        .run(cancel)
        .await?;
    let file = folder.join(COMPLETE);
    std::fs::write(&file, "").map_err(|error| Error::io(format!("write {}", file.display()), error))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("remove {}", folder.display()), error))
        }
        _ => Ok(()),
    }
}
