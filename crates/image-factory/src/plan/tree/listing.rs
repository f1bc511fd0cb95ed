use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gix_index::entry::Stat;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, statat};

use super::blob::FileMode;
use super::git::looks;

/// Bytes for names that the kernel tells at once: most folders fit, and no name is longer.
const AT_ONCE: usize = 16 * 1024;

/// Something that is directly in a folder.
pub(super) struct Listed {
    pub(super) name: Box<OsStr>,
    pub(super) what: What,
}

pub(super) enum What {
    Folder,
    File(FileMode, Stat),
}

/// What is directly in a folder, by name; not sockets and pipes, which no builder is sent.
///
/// Planning looks at each file once, and here: every copy and every call counts.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Listed>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); AT_ONCE];
    let mut entries = RawDir::new(&folder, &mut buffer);
    let mut listed = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if [c".", c".."].contains(&name) {
            continue;
        }
        let what = match entry.file_type() {
            FileType::Directory => Some(What::Folder),
            FileType::RegularFile | FileType::Symlink | FileType::Unknown => {
                // A file that is gone by now was not there.
                let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
                stat.ok().and_then(|stat| What::of(&stat))
            }
            _ => None,
        };
        listed.extend(what.map(|what| Listed {
            name: OsStr::from_bytes(name.to_bytes()).into(),
            what,
        }));
    }
    listed.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    Ok(listed)
}

impl What {
    fn of(stat: &rustix::fs::Stat) -> Option<Self> {
        let file = |mode| Some(Self::File(mode, looks(stat)));
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Some(Self::Folder),
            FileType::Symlink => file(FileMode::Link),
            FileType::RegularFile if stat.st_mode & 0o100 == 0 => file(FileMode::File),
            FileType::RegularFile => file(FileMode::Executable),
            _ => None,
        }
    }
}
