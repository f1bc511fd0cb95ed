//! The output of `git log --patch`, of which every byte after the hashes may be hostile.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;
use promotion::board::PinChange;
use registry_model::PinnedImage;

/// Characters of an author or a title.
const LONGEST_TEXT: usize = 200;
/// Bytes of a path; no file system has longer ones.
const LONGEST_PATH: usize = 4096;
/// Bytes of a line of a file that is looked at: JSON may have all of a file in one.
const LONGEST_LINE: usize = 1024 * 1024;

/// What the head of a commit says.
#[derive(Default)]
struct Commit {
    hash: String,
    is_first: bool,
    at: Timestamp,
    author: String,
    title: String,
}

/// The file that is being read.
#[derive(Default)]
struct File {
    path: PathBuf,
    removed: Vec<PinnedImage>,
    added: Vec<PinnedImage>,
}

/// Calls `each` for every change of every file, in the order of the output, and says whether its
/// commit has no parent here.
pub(super) fn commits(output: &[u8], mut each: impl FnMut(PinChange, bool)) {
    let mut commit = Commit::default();
    let mut file = File::default();
    // Lines of the file that are still to come: whatever they look like, they are no heads.
    let (mut removed, mut added) = (0_usize, 0_usize);
    for line in output.split(|byte| *byte == b'\n') {
        match line {
            [b'-', rest @ ..] if removed > 0 => {
                removed -= 1;
                file.removed.extend(images(rest));
            }
            [b'+', rest @ ..] if added > 0 => {
                added -= 1;
                file.added.extend(images(rest));
            }
            [0, rest @ ..] => {
                std::mem::take(&mut file).end(&commit, &mut each);
                commit = Commit::read(rest);
                (removed, added) = (0, 0);
            }
            _ if line.starts_with(b"diff --git ") => {
                std::mem::take(&mut file).end(&commit, &mut each);
                (removed, added) = (0, 0);
            }
            _ if line.starts_with(b"@@ ") => (removed, added) = counts(line),
            // One of the two is `/dev/null` where the file is new or gone.
            _ if line.starts_with(b"--- a/") || line.starts_with(b"+++ b/") => {
                file.path = path(&line["--- a/".len()..]);
            }
            _ if line.starts_with(b"--- \"a/") || line.starts_with(b"+++ \"b/") => {
                let quoted = &line["--- \"a/".len()..];
                file.path = path(quoted.strip_suffix(b"\"").unwrap_or(quoted));
            }
            _ => {}
        }
    }
    file.end(&commit, &mut each);
}

impl Commit {
    /// `<hash> NUL <parents> NUL <seconds> NUL <author> NUL <title>`
    fn read(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let mut fields = text.split('\0');
        let mut next = || fields.next().unwrap_or_default();
        Self {
            hash: next().to_owned(),
            is_first: next().is_empty(),
            // A time that nobody can have meant is the beginning of time.
            at: next()
                .parse()
                .ok()
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .unwrap_or_default(),
            author: bounded(next()),
            title: bounded(next()),
        }
    }
}

impl File {
    fn end(mut self, commit: &Commit, each: &mut impl FnMut(PinChange, bool)) {
        let set = |images: &[PinnedImage]| images.iter().cloned().collect::<BTreeSet<_>>();
        let (before, after) = (set(&self.removed), set(&self.added));
        self.removed.retain(|image| !after.contains(image));
        self.added.retain(|image| !before.contains(image));
        if self.removed.is_empty() && self.added.is_empty() {
            return;
        }
        let change = PinChange {
            at: commit.at,
            commit: commit.hash.clone(),
            author: commit.author.clone(),
            title: commit.title.clone(),
            file: self.path,
            removed: self.removed,
            added: self.added,
        };
        each(change, commit.is_first);
    }
}

/// The images by digest in a line, but for its comment.
fn images(line: &[u8]) -> Vec<PinnedImage> {
    let line = String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]);
    let mut last = ' ';
    let comment = line.find(|c: char| {
        let begins = c == '#' && last.is_whitespace();
        last = c;
        begins
    });
    let words = line[..comment.unwrap_or(line.len())].split(|c: char| {
        let is_edge = "\"'{}[](),=".contains(c);
        is_edge || c.is_whitespace()
    });
    words.filter_map(|word| word.parse().ok()).collect()
}

/// `@@ -<line>[,<count>] +<line>[,<count>] @@`
fn counts(line: &[u8]) -> (usize, usize) {
    let text = String::from_utf8_lossy(line);
    let mut ranges = text.split(' ').skip(1);
    let mut count = || {
        let range = ranges.next().unwrap_or_default();
        let count = range.split_once(',').map_or("1", |(_, count)| count);
        count.parse().unwrap_or(0)
    };
    (count(), count())
}

/// Without the tab that ends a name with blanks.
fn path(name: &[u8]) -> PathBuf {
    let name = name.strip_suffix(b"\t").unwrap_or(name);
    let name = &name[..name.len().min(LONGEST_PATH)];
    String::from_utf8_lossy(name).into_owned().into()
}

fn bounded(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(LONGEST_TEXT).collect()
}
