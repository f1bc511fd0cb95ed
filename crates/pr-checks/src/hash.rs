use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// What a file is: its kind, whether it can be executed, and its content. None for what has no
/// content of its own, such as the folder of a submodule, and for what cannot be read.
pub(crate) fn file(path: &Path) -> Option<[u8; 33]> {
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        // Git knows it, the work tree does not: it was removed.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Some(tagged(b'-', Sha256::new()));
        }
        Err(_) => return None,
    };
    let mut content = Sha256::new();
    if meta.is_symlink() {
        content.update(std::fs::read_link(path).ok()?.as_os_str().as_bytes());
        return Some(tagged(b'l', content));
    }
    if !meta.is_file() {
        return None;
    }
    let mut open = File::open(path).ok()?;
    let mut chunk = vec![0_u8; 64 * 1024];
    loop {
        match open.read(&mut chunk).ok()? {
            0 => break,
            read => content.update(&chunk[..read]),
        }
    }
    let executable = meta.permissions().mode() & 0o111 != 0;
    Some(tagged(if executable { b'x' } else { b'f' }, content))
}

fn tagged(kind: u8, content: Sha256) -> [u8; 33] {
    let mut tagged = [kind; 33];
    tagged[1..].copy_from_slice(&content.finalize());
    tagged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_mode_and_content_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let missing = file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        let empty = file(&path).unwrap();
        std::fs::write(&path, "x").unwrap();
        let full = file(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let executable = file(&path).unwrap();
        let link = folder.path().join("l");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        let all = [missing, empty, full, executable, file(&link).unwrap()];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(file(folder.path()), None);
    }
}
