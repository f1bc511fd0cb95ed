use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::coverage::CoverageReport;
use crate::{CheckName, Finding};

const LARGEST: u64 = 4 << 20;
/// Entries of one check: enough for the branches that somebody goes to and fro between.
const MOST: usize = 16;

/// What a check said when it passed. One that failed is never kept: a test that fails by chance
/// would go on failing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) schema: u32,
    pub(crate) check: CheckName,
    /// What it depended on.
    pub(crate) key: String,
    pub(crate) seconds: f64,
    /// Warnings and notes.
    pub(crate) findings: Vec<Finding>,
    pub(crate) left_out: usize,
    pub(crate) coverage: Option<CoverageReport>,
}

/// The entry of a check for a key. What is broken, or is not what its name says, is none.
pub(crate) fn load(folder: &Path, check: &CheckName, key: &str) -> Option<Kept> {
    let kept = read(&file(folder, check, key))?;
    (kept.schema == 1 && kept.check == *check && kept.key == key).then_some(kept)
}

/// How long a check took when it last passed.
pub(crate) fn last_seconds(folder: &Path, check: &CheckName) -> Option<f64> {
    let (_, newest) = entries(folder, check).pop()?;
    let seconds = read(&newest)?.seconds;
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}

/// Stores an entry, whole or not at all, and removes the oldest when there are too many.
pub(crate) fn store(folder: &Path, kept: &Kept) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(&serde_json::to_vec(kept)?)?;
    temporary.persist(file(folder, &kept.check, &kept.key))?;
    let entries = entries(folder, &kept.check);
    for (_, old) in &entries[..entries.len().saturating_sub(MOST)] {
        std::fs::remove_file(old)?;
    }
    Ok(())
}

/// `.` stands in no name of a check: names that begin alike are kept apart.
fn file(folder: &Path, check: &CheckName, key: &str) -> PathBuf {
    folder.join(format!("{check}.{key}.json"))
}

fn read(path: &Path) -> Option<Kept> {
    if !path.is_file() {
        return None;
    }
    let mut text = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(LARGEST).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The entries of a check, the newest last.
fn entries(folder: &Path, check: &CheckName) -> Vec<(SystemTime, PathBuf)> {
    let prefix = format!("{check}.");
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let ours = name.starts_with(&prefix) && name.ends_with(".json");
            let modified = entry.metadata().ok()?.modified().ok()?;
            ours.then(|| (modified, entry.path()))
        })
        .collect();
    entries.sort();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(check: &'static str, key: &str) -> Kept {
        Kept {
            schema: 1,
            check: CheckName::ours(check),
            key: key.to_owned(),
            seconds: 2.5,
            findings: Vec::new(),
            left_out: 0,
            coverage: None,
        }
    }

    #[test]
    fn an_entry_is_what_was_stored_under_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let (a, ab) = (CheckName::ours("a"), CheckName::ours("a-b"));
        store(folder.path(), &kept("a", "k1")).unwrap();
        assert_eq!(load(folder.path(), &a, "k1").unwrap().key, "k1");
        assert!(load(folder.path(), &a, "k2").is_none());
        assert!(load(folder.path(), &ab, "k1").is_none());
        assert_eq!(last_seconds(folder.path(), &a), Some(2.5));
        assert_eq!(last_seconds(folder.path(), &ab), None);
        let copied = folder.path().join("a.k2.json");
        std::fs::copy(folder.path().join("a.k1.json"), copied).unwrap();
        assert!(load(folder.path(), &a, "k2").is_none());
    }

    #[test]
    fn what_is_torn_or_strange_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let check = CheckName::ours("a");
        for text in ["", "{", "[]", r#"{"schema":1}"#] {
            std::fs::write(folder.path().join("a.k.json"), text).unwrap();
            assert!(load(folder.path(), &check, "k").is_none(), "{text}");
        }
    }

    #[test]
    fn only_the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..MOST + 5 {
            store(folder.path(), &kept("a", &format!("k{n}"))).unwrap();
        }
        store(folder.path(), &kept("b", "k")).unwrap();
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, MOST + 1);
        assert!(
            load(
                folder.path(),
                &CheckName::ours("a"),
                &format!("k{}", MOST + 4)
            )
            .is_some()
        );
    }
}
