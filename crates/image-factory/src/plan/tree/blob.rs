use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use gix_index::hash::{Kind as HashKind, ObjectId, hasher};

/// What git keeps of the mode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FileMode {
    File,
    Executable,
    Link,
}

impl FileMode {
    /// As git writes it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
        }
    }
}

/// Files up to this size are read at once, in bytes.
const AT_ONCE: u64 = 256 * 1024;

/// The id that git gives to a file with these bytes. As git does, it refuses the known ways to make
/// two files of one SHA-1.
pub(crate) fn of_bytes(hash: HashKind, bytes: &[u8]) -> io::Result<ObjectId> {
    let mut hash = hasher(hash);
    hash.update(format!("blob {}\0", bytes.len()).as_bytes());
    hash.update(bytes);
    hash.try_finalize().map_err(io::Error::other)
}

/// The id of the content of a file, or of the text of a link, as it lies on the disk.
pub(crate) fn of_file(hash: HashKind, path: &Path, mode: FileMode) -> io::Result<ObjectId> {
    if mode == FileMode::Link {
        return of_bytes(hash, &std::fs::read_link(path)?.into_os_string().into_vec());
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if length <= AT_ONCE {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
        file.read_to_end(&mut bytes)?;
        return of_bytes(hash, &bytes);
    }
    let mut hash = hasher(hash);
    hash.update(format!("blob {length}\0").as_bytes());
    let mut chunk = vec![0_u8; 64 * 1024];
    let mut total = 0_u64;
    loop {
        match file.read(&mut chunk)? {
            0 if total == length => return hash.try_finalize().map_err(io::Error::other),
            read if read > 0 && total + read as u64 <= length => {
                hash.update(&chunk[..read]);
                total += read as u64;
            }
            _ => return Err(io::Error::other("it changed while it was read")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_ids_that_git_gives() {
        let id = |hash, bytes: &[u8]| of_bytes(hash, bytes).unwrap().to_string();
        // `git hash-object`, with each `--object-format`.
        assert_eq!(
            id(HashKind::Sha1, b"hello\n"),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
        assert_eq!(
            id(HashKind::Sha256, b"hello\n"),
            "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4"
        );
        let folder = tempfile::tempdir().unwrap();
        for size in [0, 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE] {
            let bytes = vec![b'x'; usize::try_from(size).unwrap()];
            let path = folder.path().join("file");
            std::fs::write(&path, &bytes).unwrap();
            let read = of_file(HashKind::Sha1, &path, FileMode::File).unwrap();
            assert_eq!(read, of_bytes(HashKind::Sha1, &bytes).unwrap());
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("hello\n", &link).unwrap();
        let read = of_file(HashKind::Sha1, &link, FileMode::Link).unwrap();
        assert_eq!(read, of_bytes(HashKind::Sha1, b"hello\n").unwrap());
    }
}
