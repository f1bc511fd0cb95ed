//! Whose a stack is, as long as somebody is there to take it down.
//!
//! Each run holds the lock of a file of its own that has the name of its project, in a folder that
//! belongs to the user. The lock goes with the process, however that ends, and the file does not: a file
//! that can be locked tells of a run that was killed. What a run does on its way out it does before it
//! removes the file.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::AcceptanceError;

pub(super) const PREFIX: &str = "pipeline-accept-";
/// Kept over a restart of the machine, unlike `/tmp`, and the same for every process of a user, unlike
/// what variables name.
const PLACE: &str = "/var/tmp";
/// The folder is only held for as long as it takes to look at a few small files.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_RECORD: u64 = 64 << 10;

/// A run that is under way: its project, its folder for files, and the lock that says so.
#[derive(Debug)]
pub(crate) struct Claim {
    project: String,
    workspace: TempDir,
    path: PathBuf,
    _lock: File,
}

/// A run that ended without taking its claim back. Nobody else takes care of it at the same time.
#[derive(Debug)]
pub(super) struct Abandoned {
    pub(super) project: String,
    workspace: Option<PathBuf>,
    path: PathBuf,
    _lock: File,
}

/// What there is to know of the runs of this user.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) abandoned: Vec<Abandoned>,
    /// Runs that somebody takes care of, or that were on another engine.
    pub(super) others: BTreeSet<String>,
}

/// What the file says: where to look for what a killed run left.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Record {
    /// The address of its engine; none where there was no `docker`.
    engine: Option<String>,
    workspace: PathBuf,
}

impl Claim {
    /// A new project on `engine`, with a folder for its files.
    pub(crate) async fn take(
        engine: Option<&str>,
        cancel: &CancellationToken,
    ) -> Result<Self, AcceptanceError> {
        let folder = Folder::enter(Path::new(PLACE), cancel).await?;
        folder
            .add(engine)
            .map_err(|source| AcceptanceError::Workspace { source })
    }

    pub(crate) fn project(&self) -> &str {
        &self.project
    }

    /// A folder for this user's eyes only.
    pub(crate) fn workspace(&self) -> &Path {
        self.workspace.path()
    }

    /// Says that nothing of it is left but its folder, which goes as well.
    pub(super) fn release(self) {
        if let Err(error) = self.workspace.close() {
            tracing::warn!(%error, project = self.project, "cannot remove the files of the run");
        }
        forget(&self.path);
    }
}

impl Abandoned {
    /// Removes its folder, and then what tells of it.
    pub(super) fn close(self) {
        if let Some(workspace) = &self.workspace
            && let Err(error) = std::fs::remove_dir_all(workspace)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, project = self.project, "cannot remove the files of a killed run");
        }
        forget(&self.path);
    }
}

/// The runs of this user, as far as they were on `engine`.
pub(super) async fn known(
    engine: Option<&str>,
    cancel: &CancellationToken,
) -> Result<Known, AcceptanceError> {
    let folder = Folder::enter(Path::new(PLACE), cancel).await?;
    folder
        .look(engine)
        .map_err(|source| AcceptanceError::Workspace { source })
}

/// When a project was made, by its name.
pub(super) fn made_at(project: &str) -> Option<Timestamp> {
    let (time, chance) = project.strip_prefix(PREFIX)?.split_once('-')?;
    let digits = |text: &str, count| text.len() == count && text.bytes().all(is_digit);
    if !digits(time, 12) || !digits(chance, 8) {
        return None;
    }
    Timestamp::from_millisecond(i64::from_str_radix(time, 16).ok()?).ok()
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A name that tells when it was made, and that no other run has: an engine keeps no other note that
/// all its objects have in common.
fn new_project() -> String {
    let time = Timestamp::now().as_millisecond();
    let (chance, ..) = uuid::Uuid::new_v4().as_fields();
    format!("{PREFIX}{time:012x}-{chance:08x}")
}

fn forget(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "cannot remove the claim of a run");
    }
}

/// What a file tells.
#[derive(Debug)]
enum Found {
    /// Of a run to clean up after.
    Abandoned(Abandoned),
    /// Of a run that is none of ours to clean up after.
    Other,
    /// Of one that has ended in the meantime.
    Gone,
}

/// The folder with the claims of this user, for one process at a time: nobody else sees a file before
/// it is locked.
struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    async fn enter(place: &Path, cancel: &CancellationToken) -> Result<Self, AcceptanceError> {
        let user = rustix::process::geteuid().as_raw();
        let path = place.join(format!("{PREFIX}{user}"));
        let wrong = |source| AcceptanceError::Claims {
            path: path.clone(),
            source,
        };
        let lock = own_folder(&path, user).map_err(wrong)?;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(wrong(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let pause = tokio::time::sleep(PAUSE);
            if cancel.run_until_cancelled(pause).await.is_none() {
                return Err(AcceptanceError::Cancelled);
            }
        }
        Ok(Self {
            path: path.clone(),
            _lock: lock,
        })
    }

    fn add(&self, engine: Option<&str>) -> io::Result<Claim> {
        let project = new_project();
        let path = self.path.join(&project);
        let mut lock = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        lock.lock()?;
        let record = Record {
            engine: engine.map(str::to_owned),
            workspace: std::env::temp_dir().join(&project),
        };
        // Before the folder is there: nothing may exist that nobody knows of.
        lock.write_all(&serde_json::to_vec(&record)?)?;
        let workspace = tempfile::Builder::new()
            .prefix(&project)
            .rand_bytes(0)
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .inspect_err(|_| forget(&path))?;
        Ok(Claim {
            project,
            workspace,
            path,
            _lock: lock,
        })
    }

    fn look(&self, engine: Option<&str>) -> io::Result<Known> {
        let mut known = Known::default();
        for entry in std::fs::read_dir(&self.path)? {
            let Ok(project) = entry?.file_name().into_string() else {
                continue;
            };
            if made_at(&project).is_none() {
                continue;
            }
            match self.judge(&project, engine)? {
                Found::Abandoned(abandoned) => known.abandoned.push(abandoned),
                Found::Other => {
                    known.others.insert(project);
                }
                Found::Gone => {}
            }
        }
        Ok(known)
    }

    fn judge(&self, project: &str, engine: Option<&str>) -> io::Result<Found> {
        let path = self.path.join(project);
        let lock = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(lock) => lock,
            // A run that ends removes its file without asking for the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Gone),
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Found::Other),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // It ended after the file was opened, and before it was locked.
        if lock.metadata()?.nlink() == 0 {
            return Ok(Found::Gone);
        }
        let mut text = Vec::new();
        (&lock).take(LONGEST_RECORD).read_to_end(&mut text)?;
        // One that was killed before it could say anything had done nothing, either.
        let record: Option<Record> = serde_json::from_slice(&text).ok();
        let elsewhere = record.as_ref().and_then(|record| record.engine.as_deref());
        if elsewhere.is_some() && elsewhere != engine {
            return Ok(Found::Other);
        }
        let workspace = record.map(|record| record.workspace);
        Ok(Found::Abandoned(Abandoned {
            project: project.to_owned(),
            workspace: workspace.filter(|path| path.file_name() == Some(project.as_ref())),
            path,
            _lock: lock,
        }))
    }
}

/// The place is open to everybody, so that somebody else may have made the folder.
fn own_folder(path: &Path, user: u32) -> io::Result<File> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let facts = folder.metadata()?;
    if facts.uid() != user || facts.mode() & 0o077 != 0 {
        let problem = "it is not for this user alone";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    async fn folder(place: &Path) -> Result<Folder, AcceptanceError> {
        Folder::enter(place, &CancellationToken::new()).await
    }

    #[tokio::test]
    async fn a_run_that_ends_while_somebody_looks_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let folder = folder(place.path()).await.unwrap();
        let claim = folder.add(None).unwrap();
        let project = claim.project().to_owned();
        // Listed, and not there when it is opened.
        let other = new_project();
        symlink("nowhere", folder.path.join(&other)).unwrap();
        let known = folder.look(None).unwrap();
        assert_eq!(known.others, BTreeSet::from([project.clone()]));
        assert!(known.abandoned.is_empty(), "{known:?}");
        let found = folder.judge(&other, None).unwrap();
        assert!(matches!(found, Found::Gone), "{found:?}");
        claim.release();
        let found = folder.judge(&project, None).unwrap();
        assert!(matches!(found, Found::Gone), "{found:?}");
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_used_is_bad_input_with_the_cure() {
        let place = tempfile::tempdir().unwrap();
        let missing = folder(&place.path().join("none")).await;
        let entered = folder(place.path()).await.unwrap();
        let path = entered.path.clone();
        drop(entered);
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let foreign = folder(place.path()).await;
        for error in [missing.err().unwrap(), foreign.err().unwrap()] {
            assert_eq!(error.class(), crate::ErrorClass::Input, "{error:?}");
            let hint = error.hint().unwrap();
            assert!(hint.contains("rm -r"), "{hint}");
        }
    }
}
