use std::path::{Path, PathBuf};

use crate::error::Error;

/// The root folder of this repository.
///
/// # Errors
/// When no folder from the current one upwards holds the workspace.
pub(crate) fn root() -> Result<PathBuf, Error> {
    let from = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            std::env::current_dir().map_err(|error| Error::io("find the current folder", error))?
        }
    };
    let root = from.ancestors().find(|folder| holds_workspace(folder));
    match root {
        Some(root) => Ok(root.to_path_buf()),
        None => Err(Error::NoWorkspace { from }),
    }
}

fn holds_workspace(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
}
