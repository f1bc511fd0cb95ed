//! What git knows of the files, so that a clean tree need not be read.

use std::cell::Cell;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gix_index::State;
use gix_index::entry::{Flags, Mode, Stat, stat};
use gix_index::hash::{Kind as HashKind, ObjectId};
use process::Command;
use tokio_util::sync::CancellationToken;

use super::attributes::Conversions;
use super::blob::FileMode;

/// No index of a real repository is longer; it is read whole.
const LONGEST: u64 = 1 << 30;

/// git answers these questions in a millisecond.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// What `git` says of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    prefix: String,
    index: PathBuf,
    attributes: PathBuf,
    hash: HashKind,
    /// `core.autocrlf`, or a setting that is not understood.
    converts_line_ends: bool,
    /// `core.attributesFile`.
    own_attributes: Option<PathBuf>,
}

impl Facts {
    /// Asks `git`, which knows worktrees, its environment and whom to trust. `None` if there is no
    /// git or `root` is in no repository.
    pub(crate) async fn of(root: &Path, cancel: &CancellationToken) -> Option<Self> {
        let git = |words: &[&str]| {
            Command::new("git")
                .args(words)
                .current_dir(root)
                .timeout(PATIENCE)
                .run(cancel)
        };
        let places = [
            "rev-parse",
            "--show-prefix",
            "--git-path",
            "index",
            "--git-path",
            "info/attributes",
            "--show-object-format",
        ];
        let settings = [
            "config",
            "-z",
            "--get-regexp",
            "^core\\.(autocrlf|attributesfile)$",
        ];
        let (places, settings) = futures_util::join!(git(&places), git(&settings));
        let places = match places {
            Ok(output) => output.stdout_text(),
            Err(error) => {
                tracing::debug!(%error, "no git index to look at");
                return None;
            }
        };
        // No settings is exit code 1.
        let settings = settings.map(|output| output.stdout_text());
        Self::read(root, &places, &settings.unwrap_or_default())
    }

    fn read(root: &Path, places: &str, settings: &str) -> Option<Self> {
        let lines: Vec<&str> = places.lines().collect();
        let [prefix, index, attributes, hash] = lines[..] else {
            return None;
        };
        let hash = match hash {
            "sha1" => HashKind::Sha1,
            "sha256" => HashKind::Sha256,
            _ => return None,
        };
        let mut facts = Self {
            prefix: prefix.to_owned(),
            index: root.join(index),
            attributes: root.join(attributes),
            hash,
            converts_line_ends: false,
            own_attributes: None,
        };
        for setting in settings.split('\0') {
            // A name alone means `true`. The last one counts; any one makes us careful.
            let (name, value) = setting.split_once('\n').unwrap_or((setting, "true"));
            match name {
                "core.autocrlf" => {
                    let off = ["false", "no", "off", "0", ""];
                    facts.converts_line_ends |= !off.contains(&value.to_lowercase().as_str());
                }
                "core.attributesfile" => {
                    facts.own_attributes = home(value);
                    facts.converts_line_ends |= facts.own_attributes.is_none();
                }
                _ => {}
            }
        }
        Some(facts)
    }
}

/// A path of a setting, if it is certain which: the homes of others, and places that git knows by its
/// own installation, are not.
fn home(path: &str) -> Option<PathBuf> {
    match path.strip_prefix("~/") {
        Some(rest) => Some(Path::new(&std::env::var_os("HOME")?).join(rest)),
        None => path.starts_with('/').then(|| PathBuf::from(path)),
    }
}

/// Where git may look for attributes of all repositories: that depends on where it was installed to.
/// The likeliest comes last.
fn shared_attributes() -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("/etc/gitattributes")];
    let git = process::which("git");
    let real = git.as_ref().and_then(|git| git.canonicalize().ok());
    for program in [git, real].into_iter().flatten() {
        let prefix = program.parent().and_then(Path::parent);
        files.extend(prefix.map(|prefix| prefix.join("etc/gitattributes")));
    }
    files
}

/// Where git looks for attributes of all repositories of a user, unless told otherwise.
fn own_attributes() -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".config")));
    Some(config?.join("git/attributes"))
}

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
        let from = entries.partition_point(|entry| index.path(entry) < path.as_slice());
        let length = entries[from..].partition_point(|entry| index.path(entry).starts_with(&path));
        let counting = index.attributes.iter();
        let counting = counting.filter(|(folder, _)| path.starts_with(folder));
        Part {
            since: counting.map(|(_, changed)| *changed).max(),
            index: Some(index),
            folder: path,
            range: from..from + length,
            next: Cell::new(0),
        }
    }
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
        // Those that bind least come first (gitattributes(5)).
        let own = facts.own_attributes.clone().or_else(own_attributes);
        for file in shared_attributes().into_iter().chain(own) {
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
    fn reads_what_git_says_and_is_careful_with_the_rest() {
        let root = Path::new("/r");
        let read = |places: &str, settings: &str| Facts::read(root, places, settings);
        let places = "code/\n../.git/index\n/w/info/attributes\nsha256\n";
        let facts = read(places, "core.autocrlf\nInput\0core.attributesfile\n/a\0").unwrap();
        assert_eq!(facts.index, Path::new("/r/../.git/index"));
        assert_eq!(facts.attributes, Path::new("/w/info/attributes"));
        assert_eq!(facts.hash, HashKind::Sha256);
        assert!(facts.converts_line_ends);
        assert_eq!(facts.own_attributes.unwrap(), Path::new("/a"));
        for unsure in ["~root/attributes", "%(prefix)/attributes", "attributes"] {
            let facts = read(places, &format!("core.attributesfile\n{unsure}\0")).unwrap();
            assert!(facts.converts_line_ends, "{unsure}");
        }
        assert!(
            !read(places, "core.autocrlf\nfalse\0")
                .unwrap()
                .converts_line_ends
        );
        assert!(read(places, "core.autocrlf\0").unwrap().converts_line_ends);
        assert!(read("code/\nx\ny\nsha3\n", "").is_none());
        assert!(read("a\nb/\nx\ny\nsha1\n", "").is_none());
    }
}
