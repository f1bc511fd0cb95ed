//! Which files a deploy depends on, and one hash for all that is in them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

use super::app_file::AppFile;
use crate::ModalError;

/// Nobody deploys so much code on purpose: rather a folder of data was taken for code.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// SHA-256 of the app file and of every file below `root` that one of `globs` names, by path and
/// content. Without `globs`, these are the Python files below the folder of the app, but for
/// hidden folders, packages that were installed, and what Python caches.
///
/// The order in which the file system lists its files does not matter, nor do times and modes. A
/// symbolic link counts as what it leads to; one to a folder is not followed.
///
/// # Errors
/// [`ModalError::Code`] for a pattern that is none, a file that cannot be read or leads out of the
/// repository, and when there are too many of them.
pub fn code_hash(
    root: &Path,
    app: &AppFile,
    globs: Option<&[String]>,
) -> Result<String, ModalError> {
    let found = match globs {
        Some(globs) => {
            let matcher = compile(globs)?;
            let not_git = |entry: &DirEntry| entry.file_name() != ".git";
            walk(root, root, not_git, |path| matcher.is_match(path))?
        }
        None => {
            let folder = app.path().parent().unwrap_or(Path::new(""));
            let python = |path: &Path| path.extension().is_some_and(|end| end == "py");
            walk(root, &root.join(folder), is_own_code, python)?
        }
    };
    let real_root = root
        .canonicalize()
        .map_err(|error| wrong(root, &error.to_string()))?;
    let mut budget = MOST_BYTES;
    let mut hashes = BTreeMap::new();
    for path in found.into_iter().chain([app.path().to_owned()]) {
        if hashes.contains_key(&path) {
            continue;
        }
        if let Some(hash) = content(&real_root, root, &path, &mut budget)? {
            hashes.insert(path, hash);
        }
    }
    let mut all = Sha256::new();
    for (path, hash) in hashes {
        let name = path.as_os_str().as_bytes();
        all.update(u64::try_from(name.len()).unwrap_or(u64::MAX).to_le_bytes());
        all.update(name);
        all.update(hash);
    }
    Ok(hex::encode(all.finalize()))
}

fn compile(globs: &[String]) -> Result<GlobSet, ModalError> {
    let bad = |glob: &str, problem: &str| ModalError::Code {
        problem: format!("the pattern `{glob}` {problem}"),
    };
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let leaves = |part| !matches!(part, Component::Normal(_) | Component::CurDir);
        if glob.is_empty() || Path::new(glob).components().any(leaves) {
            return Err(bad(glob, "is empty, absolute or has `..`"));
        }
        let built = GlobBuilder::new(glob.trim_start_matches("./"))
            .literal_separator(true)
            .build();
        set.add(built.map_err(|error| bad(glob, &format!("is none: {}", error.kind())))?);
    }
    set.build()
        .map_err(|error| bad("modal.code", &format!("is none: {}", error.kind())))
}

/// Whether a person wrote what is in here.
fn is_own_code(entry: &DirEntry) -> bool {
    let name = entry.file_name().as_bytes();
    // The folder that is walked may be hidden itself.
    entry.depth() == 0
        || !(name.starts_with(b".")
            || name == b"__pycache__"
            || name == b"node_modules"
            || entry.path().join("pyvenv.cfg").exists())
}

/// The files below `start` that are wanted, relative to `root`.
fn walk(
    root: &Path,
    start: &Path,
    enter: impl FnMut(&DirEntry) -> bool,
    wanted: impl Fn(&Path) -> bool,
) -> Result<Vec<PathBuf>, ModalError> {
    let mut found = Vec::new();
    for entry in WalkDir::new(start).into_iter().filter_entry(enter) {
        let entry = entry.map_err(|error| ModalError::Code {
            problem: error.to_string(),
        })?;
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
        if entry.file_type().is_dir() || !wanted(path) {
            continue;
        }
        if found.len() == MOST_FILES {
            let problem = format!("there are more than {MOST_FILES} files");
            return Err(ModalError::Code { problem });
        }
        found.push(path.to_owned());
    }
    Ok(found)
}

/// The hash of one file; `None` for what is no file.
fn content(
    real_root: &Path,
    root: &Path,
    path: &Path,
    budget: &mut u64,
) -> Result<Option<[u8; 32]>, ModalError> {
    let failed = |error: std::io::Error| wrong(path, &error.to_string());
    let real = root.join(path).canonicalize().map_err(failed)?;
    if !real.starts_with(real_root) {
        return Err(wrong(path, "it leads out of the repository"));
    }
    // Opening a pipe would wait for its writer.
    if !real.metadata().map_err(failed)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = File::open(&real)
        .and_then(|file| file.take(*budget + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    let rest = budget.checked_sub(read as u64);
    *budget = rest.ok_or_else(|| wrong(path, "with it the files exceed 64 MiB"))?;
    Ok(Some(Sha256::digest(&bytes).into()))
}

fn wrong(path: &Path, problem: &str) -> ModalError {
    ModalError::Code {
        problem: format!("`{}`: {problem}", path.display()),
    }
}

#[cfg(test)]
mod tests;
