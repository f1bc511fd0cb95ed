use std::path::Path;

use crate::error::Error;

/// Writes a file, and the folders that lead to it.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    make(path.parent().unwrap_or(path))?;
    std::fs::write(path, bytes)
        .map_err(|error| Error::io(format!("write {}", path.display()), error))
}

/// Makes a folder, and those that lead to it.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::io(format!("make {}", folder.display()), error))
}

/// A JSON file that a program wrote.
///
/// # Errors
/// When it is missing or no JSON.
pub(crate) fn json(path: &Path) -> Result<serde_json::Value, Error> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::io(format!("read {}", path.display()), error))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::format(path.display().to_string(), error))
}
