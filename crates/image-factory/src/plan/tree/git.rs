//! What git knows of the files, so that a clean tree need not be read.

use std::cell::Cell;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gix_index::State;
use gix_index::entry::{Flags, Mode, Stat, stat};
use gix_index::hash::{Kind as HashKind, ObjectId};

use super::attributes::Conversions;
use super::blob::FileMode;
use super::facts::Facts;

/// No index of a real repository is longer; it is read whole.
const LONGEST: u64 = 1 << 30;

/// How the files of a folder are stored in a git repository.
pub(crate) struct Git {
    /// By what hash the repository names its objects.
    pub(crate) hash: HashKind,
    index: Option<Index>,
}

/// The index, which remembers of each file the id of its content and how the file looked then.
struct Index {
    state: State,
    /// The folder in the repository that was asked about: empty, or with `/` at the end.
    prefix: Vec<u8>,
    /// When the index was written: files as young as it may have changed unnoticed.
    written: filetime::FileTime,
    conversions: Conversions,
    /// The attributes files that there are: below which folder each counts, and when it last changed.
    /// A file that was checked out before may have been converted by what stood there then.
    attributes: Vec<(Vec<u8>, Changed)>,
}

/// When something last changed: seconds and nanoseconds, as an index has them.
type Changed = (u32, u32);

impl Git {
    /// No git: every file is read.
    pub(crate) fn none() -> Self {
        Self {
            hash: HashKind::Sha1,
            index: None,
        }
    }

    /// Reads the index. Whatever is odd about it only means that files are read instead.
    pub(crate) fn open(root: &Path, facts: Option<Facts>) -> Self {
        let Some(facts) = facts else {
            return Self::none();
        };
        Self {
            hash: facts.hash,
            index: Index::read(root, &facts),
        }
    }

    /// The part of the index that lies in a folder (relative to the root that was asked about).
    pub(crate) fn below(&self, folder: &Path) -> Part<'_> {
        self.below_after(folder, &mut 0)
    }

    /// The same, found fastest when it begins near `hint`. Puts there where it ends: the next folder
    /// is likely to begin so.
    pub(crate) fn below_after(&self, folder: &Path, hint: &mut usize) -> Part<'_> {
        let Some(index) = &self.index else {
            return Part {
                index: None,
                folder: Vec::new(),
                range: 0..0,
                since: None,
                next: Cell::new(0),
            };
        };
        let mut path = index.prefix.clone();
        path.extend_from_slice(folder.as_os_str().as_bytes());
        if !path.is_empty() && !path.ends_with(b"/") {
            path.push(b'/');
        }
        let entries = index.state.entries();
        let is_before = |entry: &gix_index::Entry| index.path(entry) < path.as_slice();
        let is_below = |entry: &gix_index::Entry| index.path(entry).starts_with(&path);
        let start = (*hint).min(entries.len());
        let from = match entries[..start].last().is_none_or(is_before) {
            true => start + near(&entries[start..], is_before),
            false => entries[..start].partition_point(is_before),
        };
        let until = from + near(&entries[from..], is_below);
        *hint = until;
        let counting = index.attributes.iter();
        let counting = counting.filter(|(folder, _)| path.starts_with(folder));
        Part {
            since: counting.map(|(_, changed)| *changed).max(),
            index: Some(index),
            folder: path,
            range: from..until,
            next: Cell::new(0),
        }
    }
}

/// What `partition_point` says, with few comparisons where that is near the beginning.
fn near<T>(items: &[T], is_first_part: impl Fn(&T) -> bool) -> usize {
    let mut end = 1;
    while end < items.len() && is_first_part(&items[end]) {
        end *= 2;
    }
    let from = end / 2;
    let some = &items[from..items.len().min(end + 1)];
    from + some.partition_point(is_first_part)
}

/// The part of the index that lies in one folder.
pub(crate) struct Part<'a> {
    index: Option<&'a Index>,
    folder: Vec<u8>,
    range: Range<usize>,
    /// When the attributes that count here last changed.
    since: Option<Changed>,
    /// Behind the last one that was found: names are asked for in their order.
    next: Cell<usize>,
}

impl Part<'_> {
    /// Whether git knows a file of this name here.
    pub(crate) fn knows(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// The id of a file's content, if it is certain without reading the file.
    pub(crate) fn id(&self, name: &[u8], mode: FileMode, looks: &Stat) -> Option<ObjectId> {
        let index = self.index?;
        let entry = self.find(name)?;
        let same_kind = match entry.mode {
            Mode::FILE | Mode::FILE_EXECUTABLE => mode != FileMode::Link,
            Mode::SYMLINK => mode == FileMode::Link,
            _ => false,
        };
        if !same_kind || entry.flags.contains(Flags::INTENT_TO_ADD) || entry.stage_raw() != 0 {
            return None;
        }
        // git writes the size 0 for what it wants to look at again.
        if entry.stat.size == 0 {
            return None;
        }
        let exact = stat::Options {
            trust_ctime: true,
            check_stat: true,
            use_nsec: true,
            use_stdev: false,
        };
        if entry.stat.is_racy(index.written, exact) || !looks.matches(&entry.stat, exact) {
            return None;
        }
        // Had it been written since, or looked at by git since, it would have a later time.
        let changed = (entry.stat.ctime.secs, entry.stat.ctime.nsecs);
        if mode != FileMode::Link && self.since.is_some_and(|since| changed < since) {
            return None;
        }
        if mode != FileMode::Link && index.conversions.may_apply(index.path(entry)) {
            return None;
        }
        Some(entry.id)
    }

    fn find(&self, name: &[u8]) -> Option<&gix_index::Entry> {
        let index = self.index?;
        let entries = index.state.entries().get(self.range.clone())?;
        let name_of = |entry| index.path(entry).get(self.folder.len()..);
        let next = entries.get(self.next.get()).and_then(name_of);
        let at = match next == Some(name) {
            true => self.next.get(),
            false => entries
                .binary_search_by(|entry| name_of(entry).cmp(&Some(name)))
                .ok()?,
        };
        self.next.set(at + 1);
        let entry = entries.get(at)?;
        // An index that is not sorted may lead astray.
        index.path(entry).starts_with(&self.folder).then_some(entry)
    }
}

/// How git writes down the look of a file: with 32 bits for everything.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "git compares the low 32 bits, too"
)]
pub(super) fn looks(stat: &rustix::fs::Stat) -> Stat {
    Stat {
        mtime: stat::Time {
            secs: stat.st_mtime as u32,
            nsecs: stat.st_mtime_nsec as u32,
        },
        ctime: stat::Time {
            secs: stat.st_ctime as u32,
            nsecs: stat.st_ctime_nsec as u32,
        },
        dev: stat.st_dev as u32,
        ino: stat.st_ino as u32,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: stat.st_size as u32,
    }
}

impl Index {
    fn read(root: &Path, facts: &Facts) -> Option<Self> {
        let unusable = |why: &str| {
            tracing::debug!("git index is not used: {why}");
            None
        };
        let read = || -> std::io::Result<_> {
            let mut file = std::fs::File::open(&facts.index)?;
            let metadata = file.metadata()?;
            if metadata.len() > LONGEST {
                return Err(std::io::Error::other("it is too long"));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
            std::io::Read::read_to_end(&mut file, &mut bytes)?;
            Ok((bytes, metadata))
        };
        let (bytes, metadata) = match read() {
            Ok(read) => read,
            Err(error) => return unusable(&error.to_string()),
        };
        let written = filetime::FileTime::from_last_modification_time(&metadata);
        let options = gix_index::decode::Options {
            alloc_limit_bytes: Some(usize::try_from(LONGEST).unwrap_or(usize::MAX)),
            ..gix_index::decode::Options::default()
        };
        let state = match State::from_bytes(&bytes, written, facts.hash, options) {
            Ok((state, _)) => state,
            Err(error) => return unusable(&error.to_string()),
        };
        if state.link().is_some() || state.is_sparse() {
            return unusable("it is split or sparse");
        }
        let prefix = facts.prefix.clone().into_bytes();
        let mut index = Self {
            state,
            prefix,
            written,
            conversions: Conversions::default(),
            attributes: Vec::new(),
        };
        index.read_attributes(root, facts);
        Some(index)
    }

    fn path<'a>(&'a self, entry: &'a gix_index::Entry) -> &'a [u8] {
        entry.path(&self.state)
    }

    /// Reads all attributes that git knows of. Files of them that git does not know are looked for
    /// while walking.
    fn read_attributes(&mut self, root: &Path, facts: &Facts) {
        let mut conversions = Conversions::default();
        let mut attributes = Vec::new();
        let mut read = |folder: &[u8], file: &Path, expected| {
            conversions.read(folder, file, expected);
            if let Ok(stat) = rustix::fs::stat(file) {
                let time = looks(&stat).ctime;
                attributes.push((folder.to_vec(), (time.secs, time.nsecs)));
            }
        };
        for file in facts.common_attributes() {
            read(b"", &file, false);
        }
        // From the root that was asked about up to the root of the repository.
        let up: PathBuf = self
            .prefix
            .split(|b| *b == b'/')
            .skip(1)
            .map(|_| "..")
            .collect();
        let top = root.join(up);
        let mut files: Vec<(&[u8], PathBuf)> = Vec::new();
        for entry in self.state.entries() {
            let path = self.path(entry);
            let Some(folder) = path.strip_suffix(b".gitattributes") else {
                continue;
            };
            if folder.is_empty() || folder.ends_with(b"/") {
                files.push((folder, top.join(std::ffi::OsStr::from_bytes(path))));
            }
        }
        files.sort_by_key(|(folder, _)| folder.len());
        for (folder, file) in files {
            read(folder, &file, true);
        }
        read(b"", &facts.attributes, false);
        if facts.converts_line_ends {
            conversions.may_apply_to_all();
        }
        (self.conversions, self.attributes) = (conversions, attributes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_found_like_what_is_far() {
        for length in 0..40 {
            let items: Vec<usize> = (0..length).collect();
            for at in 0..=length {
                assert_eq!(near(&items, |item| *item < at), at, "{at} of {length}");
            }
        }
    }
}
