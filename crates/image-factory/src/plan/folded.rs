//! Lists of files with folders in place of what is in them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::key::FieldHash;

/// The names in the longest path.
pub(super) fn depth(files: &BTreeMap<String, String>) -> usize {
    let names = |path: &String| path.split('/').filter(|name| !name.is_empty()).count();
    files.keys().map(names).max().unwrap_or(0)
}

/// Each folder `depth` names deep in place of what is in it. To fold step by step from the deepest
/// gives the same for the same files, wherever it stopped in between.
pub(super) fn folded(files: BTreeMap<String, String>, depth: usize) -> BTreeMap<String, String> {
    let mut folded = BTreeMap::new();
    let mut folders: BTreeMap<String, FieldHash> = BTreeMap::new();
    for (path, what) in files {
        let folder: Vec<&str> = path.split('/').take(depth).collect();
        let folder = folder.join("/");
        match path
            .strip_prefix(&folder)
            .map(|name| name.trim_start_matches('/'))
        {
            Some(name) if !name.is_empty() => {
                let hash = folders.entry(folder).or_default();
                hash.field(name.as_bytes());
                hash.field(what.as_bytes());
            }
            _ => drop(folded.insert(path, what)),
        }
    }
    for (folder, hash) in folders {
        folded.insert(folder, format!("040000 {}", hex::encode(hash.finish())));
    }
    folded
}

type Texts = BTreeMap<String, String>;

/// Both with folders in place of what is in them where one has them, so that they can be compared.
pub(super) fn alike<'a>(old: &'a Texts, new: &'a Texts) -> (Cow<'a, Texts>, Cow<'a, Texts>) {
    let has_folders = |files: &Texts| files.values().any(|what| what.starts_with("040000 "));
    let until = match (has_folders(old), has_folders(new)) {
        (false, false) => return (Cow::Borrowed(old), Cow::Borrowed(new)),
        (true, false) => depth(old),
        (false, true) => depth(new),
        (true, true) => depth(old).min(depth(new)),
    };
    let fold = |files: &Texts| {
        let deepest = depth(files);
        (until..deepest).rev().fold(files.clone(), folded)
    };
    (Cow::Owned(fold(old)), Cow::Owned(fold(new)))
}
