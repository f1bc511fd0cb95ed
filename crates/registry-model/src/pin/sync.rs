//! Getting many files onto the disk. One call for the whole file system costs less than one for
//! each file, as soon as there are more than a few.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::file::{Durable, sync_folder};

/// From this many files or folders on, the file system is flushed as a whole.
const MANY: usize = 32;

/// When each of `files` files has to be flushed.
pub(super) fn when(files: usize) -> Durable {
    if cfg!(target_os = "linux") && files >= MANY {
        Durable::Later
    } else {
        Durable::Now
    }
}

/// Flushes the file systems of these folders, each once.
#[cfg(target_os = "linux")]
pub(super) fn file_systems(folders: &BTreeSet<PathBuf>) -> io::Result<()> {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;

    let mut flushed = BTreeSet::new();
    for folder in folders {
        let folder = File::open(folder)?;
        if flushed.insert(folder.metadata()?.dev()) {
            rustix::fs::syncfs(&folder)?;
        }
    }
    Ok(())
}

/// Other systems have no such call; their files are flushed one by one.
#[cfg(not(target_os = "linux"))]
pub(super) fn file_systems(_: &BTreeSet<PathBuf>) -> io::Result<()> {
    Ok(())
}

/// Makes the renames in these folders durable.
pub(super) fn folders(folders: &BTreeSet<PathBuf>) -> io::Result<()> {
    if when(folders.len()) == Durable::Later {
        return file_systems(folders);
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}
