use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tempfile::TempPath;

use super::edit::{Edit, edit};
use super::error::PinError;
use crate::yaml::MAX_BYTES;
use crate::{PinPlace, PinnedImage};

/// What setting a pin did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetOutcome {
    /// The file has the new pin.
    Written,
    /// The file had it before, and was not touched.
    AlreadySo,
}

/// Sets one pin in a registry file, all or nothing.
///
/// The new text goes into a temporary file in the same folder, with the mode of the old one, is
/// flushed to the disk and takes the place of the old file by a rename. Of a symbolic link, the
/// file it leads to is replaced. A hard link is broken up.
///
/// # Errors
/// When the file can't be read, edited (see [`edit`]) or written; it is then as it was.
pub fn set_file(
    path: &Path,
    place: &PinPlace,
    image: &PinnedImage,
) -> Result<SetOutcome, PinError> {
    let written = |source| PinError::Write {
        file: path.to_owned(),
        source,
    };
    let real = resolve(path)?;
    let (text, metadata) = read(&real, path)?;
    match edit(&text, place, image).map_err(|error| error.in_file(path))? {
        Edit::Unchanged => Ok(SetOutcome::AlreadySo),
        Edit::Changed(new) => {
            let folder = folder(&real).to_owned();
            let staged = Staged::write(real, &new, &metadata, Durable::Now).map_err(written)?;
            staged.put_in_place().map_err(written)?;
            sync_folder(&folder).map_err(written)?;
            Ok(SetOutcome::Written)
        }
    }
}

/// The file that `path` leads to.
fn resolve(path: &Path) -> Result<PathBuf, PinError> {
    path.canonicalize().map_err(|source| PinError::Read {
        file: path.to_owned(),
        source,
    })
}

/// The text of the file `real`, which the user calls `name`.
pub(super) fn read(real: &Path, name: &Path) -> Result<(Vec<u8>, Metadata), PinError> {
    let unread = |source| PinError::Read {
        file: name.to_owned(),
        source,
    };
    let not_a_file = || PinError::NotAFile {
        file: name.to_owned(),
    };
    // Without this flag, a named pipe would block for ever.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(real);
    let file = file.map_err(unread)?;
    let metadata = file.metadata().map_err(unread)?;
    if !metadata.is_file() {
        return Err(not_a_file());
    }
    let expected = usize::try_from(metadata.len()).unwrap_or(MAX_BYTES);
    let mut text = Vec::with_capacity(expected.min(MAX_BYTES) + 1);
    let limit = MAX_BYTES as u64 + 1;
    file.take(limit).read_to_end(&mut text).map_err(unread)?;
    Ok((text, metadata))
}

pub(super) fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// When a new file must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    /// When it is written.
    Now,
    /// Later, with many others.
    Later,
}

/// A new text beside the file whose place it will take. Dropped, it is gone.
pub(super) struct Staged {
    temporary: TempPath,
    target: PathBuf,
}

impl Staged {
    pub(super) fn write(
        target: PathBuf,
        text: &[u8],
        old: &Metadata,
        durable: Durable,
    ) -> io::Result<Self> {
        let mode = fs::Permissions::from_mode(old.mode() & 0o7777);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let mut temporary = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            // Not `.yaml`: patterns for registry files must not take it for one.
            .suffix(".tmp")
            .permissions(mode.clone())
            .tempfile_in(folder(&target))?;
        let file = temporary.as_file_mut();
        file.write_all(text)?;
        let mut new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            // Only root can give files away; for others the file is theirs from now on.
            let _ = fchown(&*file, Some(old.uid()), Some(old.gid()));
            new = file.metadata()?;
        }
        if new.mode() != old.mode() {
            file.set_permissions(mode)?;
        }
        if durable == Durable::Now {
            file.sync_all()?;
        }
        Ok(Self {
            // Closed from here on: thousands may wait for their rename.
            temporary: temporary.into_temp_path(),
            target,
        })
    }

    pub(super) fn put_in_place(self) -> io::Result<()> {
        // With a handle on the old file, its blocks are freed after the rename, when the folder is
        // no longer locked. On a file system that discards freed blocks at once, that is nearly
        // all of the time that a rename takes, and many can then do it side by side.
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        let flags = flags | OFlags::PATH;
        let _old = rustix::fs::open(&self.target, flags, Mode::empty());
        let renamed = self.temporary.persist(&self.target);
        renamed.map_err(|error| error.error)
    }

    pub(super) fn folder(&self) -> &Path {
        folder(&self.target)
    }
}

/// Makes the renames in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
