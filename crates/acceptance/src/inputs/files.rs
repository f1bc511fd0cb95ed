//! The files of a folder as one digest.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Command, ProcessError};
use registry_model::Digest;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::Fields;
use crate::credentials::without_credentials;

/// More takes longer to read than it could save.
const MOST_FILES: usize = 50_000;
const MOST_BYTES: u64 = 1 << 30;
const VERSION: u32 = 1;

/// Why a folder has no digest; reads well after its name.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("has more than {MOST_FILES} files")]
    Files,
    #[error("has more than {} MiB", MOST_BYTES >> 20)]
    Bytes,
    #[error("cannot be read: {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot be listed: {0}")]
    List(Box<ProcessError>),
    #[error("leads out of it at `{}`", .0.display())]
    Outside(PathBuf),
    #[error("has a compose file that takes in others: `{}`", .0.display())]
    Includes(PathBuf),
    #[error("was not read to its end")]
    Stopped,
}

/// The digest over the path, the kind and the content of each file below `folder`. What is below
/// `inner`, a folder in it, counts even if git ignores that as a whole.
pub(super) async fn digest(
    folder: &Path,
    inner: &Path,
    cancel: &CancellationToken,
) -> Result<Digest, Problem> {
    let outside = || Problem::Outside(inner.to_owned());
    let inner = inner.strip_prefix(folder).map_err(|_| outside())?;
    let mut listed = listed(folder, cancel).await?;
    if let Some(paths) = &mut listed
        && !paths.iter().any(|path| path.starts_with(inner))
    {
        paths.push(inner.to_owned());
    }
    let cancel = cancel.child_token();
    // Reading ends when nobody waits for it any more.
    let _guard = cancel.clone().drop_guard();
    let folder = folder.to_owned();
    let work = move || {
        let failed = |source| Problem::Read {
            path: folder.clone(),
            source,
        };
        let mut read = Reading {
            folder: &folder,
            real: folder.canonicalize().map_err(failed)?,
            cancel: &cancel,
            paths: BTreeSet::new(),
            bytes: 0,
        };
        match listed {
            Some(paths) => paths.iter().try_for_each(|path| read.note(path))?,
            None => read.walk(Path::new(""))?,
        }
        read.digest()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(digest) => digest,
        Err(_) => Err(Problem::Stopped),
    }
}

/// What git tracks below `folder`, or would if it were added; `None` where git has nothing to say.
async fn listed(
    folder: &Path,
    cancel: &CancellationToken,
) -> Result<Option<Vec<PathBuf>>, Problem> {
    let words = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let mut command = Command::new("git")
        // A program that the settings of the clone name is none of ours to start.
        .args(["-c", "core.fsmonitor=false"])
        .args(words)
        .current_dir(folder)
        .timeout(Duration::from_secs(60));
    // `attest` asks, too, and has the key to sign with.
    command = without_credentials(command);
    // A hook of git that runs us has them for its own folder.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command = command.env_remove(name);
    }
    match command.run(cancel).await {
        Ok(output) => {
            let names = output.stdout.split(|byte| *byte == 0);
            let names = names.filter(|name| !name.is_empty());
            let paths: Vec<PathBuf> = names.map(|name| OsStr::from_bytes(name).into()).collect();
            // A folder that is ignored as a whole.
            Ok((!paths.is_empty()).then_some(paths))
        }
        Err(ProcessError::NotFound { .. } | ProcessError::Failed { .. }) => Ok(None),
        Err(error) => Err(Problem::List(Box::new(error))),
    }
}

struct Reading<'a> {
    folder: &'a Path,
    /// The same without symbolic links.
    real: PathBuf,
    cancel: &'a CancellationToken,
    /// Relative to the folder; sorted, each once.
    paths: BTreeSet<PathBuf>,
    bytes: u64,
}

impl Reading<'_> {
    /// Takes a file, or everything below what is a folder, as a submodule is.
    fn note(&mut self, path: &Path) -> Result<(), Problem> {
        match self.metadata(path)? {
            Some(found) if found.is_dir() => self.walk(path),
            // What was removed is not there, whatever git remembers.
            None => Ok(()),
            Some(_) if self.paths.len() == MOST_FILES => Err(Problem::Files),
            // What it leads to could change without a trace.
            Some(found) if found.is_symlink() && self.leads_out(path) => {
                Err(Problem::Outside(path.to_owned()))
            }
            Some(found) => {
                // Known before the first of them is read.
                self.bytes += found.len();
                if self.bytes > MOST_BYTES {
                    return Err(Problem::Bytes);
                }
                self.paths.insert(path.to_owned());
                Ok(())
            }
        }
    }

    fn leads_out(&self, link: &Path) -> bool {
        let target = self.folder.join(link).canonicalize();
        target.is_ok_and(|target| !target.starts_with(&self.real))
    }

    fn walk(&mut self, below: &Path) -> Result<(), Problem> {
        let failed = |source| Problem::Read {
            path: below.to_owned(),
            source,
        };
        for entry in fs::read_dir(self.folder.join(below)).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if self.cancel.is_cancelled() {
                return Err(Problem::Stopped);
            }
            if name != ".git" {
                self.note(&below.join(name))?;
            }
        }
        Ok(())
    }

    fn digest(&mut self) -> Result<Digest, Problem> {
        let mut fields = Fields::new("files", VERSION);
        self.bytes = 0;
        for path in std::mem::take(&mut self.paths) {
            let Some(found) = self.metadata(&path)? else {
                continue;
            };
            let failed = |source| Problem::Read {
                path: path.clone(),
                source,
            };
            fields.add("path", path.as_os_str().as_bytes());
            let kind = found.file_type();
            if kind.is_symlink() {
                let target = fs::read_link(self.folder.join(&path)).map_err(failed)?;
                fields.add("link", target.as_os_str().as_bytes());
            } else if kind.is_file() {
                let may_run = found.permissions().mode() & 0o111 != 0;
                let name = if may_run { "program" } else { "file" };
                fields.add(name, self.content(&path)?);
            } else {
                // Pipes and sockets: reading them could take for ever.
                fields.add("other", []);
            }
        }
        Ok(fields.finish())
    }

    fn content(&mut self, path: &Path) -> Result<[u8; 32], Problem> {
        let failed = |source| Problem::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(self.folder.join(path)).map_err(failed)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            if self.cancel.is_cancelled() {
                return Err(Problem::Stopped);
            }
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(hash.finalize().into()),
                read => {
                    self.bytes += read as u64;
                    hash.update(&buffer[..read]);
                }
            }
            if self.bytes > MOST_BYTES {
                return Err(Problem::Bytes);
            }
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>, Problem> {
        match fs::symlink_metadata(self.folder.join(path)) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Problem::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }
}
