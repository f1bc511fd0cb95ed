use std::fmt;

use github::{Commit, CommitSha, FileChange, GithubError, NewCommit};
use registry_model::Platform;
use sha2::{Digest as _, Sha256};

use super::changes::PinChange;

const START: &str = "<!-- pipeline:pin ";
const END: &str = " -->";
const ALL: &str = "all";
const SOME: &str = "some";
/// Longer ones are none of ours.
const LONGEST: usize = 400;

/// Trailers of a commit with pins.
pub(super) const SOURCE: &str = "Pipeline-Source";
pub(super) const BASE: &str = "Pipeline-Base";
pub(super) const CONTENT: &str = "Pipeline-Pins";

/// What a pull request says of itself, hidden from people: which pins it has, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// The commit that was built.
    pub(super) source: CommitSha,
    /// The pins, whatever else the files hold.
    pub(super) digests: Hash,
    /// The files with the pins.
    pub(super) content: Hash,
    /// Whether the run was for all processors, so that what it does not pin is right as it is.
    pub(super) whole: bool,
}

/// A SHA-256 in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hash(String);

impl Hash {
    fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 64 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// Of parts, each with its length before it: no two lists of parts look the same.
    fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hex::encode(hash.finalize()))
    }

    /// Of the images that the changes pin.
    pub(super) fn of_digests(changes: &[PinChange]) -> Self {
        let mut lines: Vec<String> = changes
            .iter()
            .map(|change| {
                let file = change.file.to_string_lossy();
                let platform = change.pin_platform.as_ref();
                let platform = platform.map(Platform::to_string).unwrap_or_default();
                format!("{file}\0{}\0{platform}\0{}", change.reference, change.new)
            })
            .collect();
        lines.sort_unstable();
        Self::of(lines.iter().map(String::as_bytes))
    }

    /// Of the files as they shall be.
    pub(super) fn of_files(files: &[FileChange]) -> Self {
        let mut files: Vec<&FileChange> = files.iter().collect();
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let parts = files
            .iter()
            .flat_map(|file| [file.path.as_bytes(), file.bytes.as_slice()]);
        Self::of(parts)
    }

    /// Of a commit that is not made.
    pub(super) fn of_commit(commit: &NewCommit) -> Self {
        Self::of([commit.parent.as_str().as_bytes(), commit.message.as_bytes()])
    }

    /// As the id of a commit, which is shorter.
    pub(super) fn as_commit(&self) -> Result<CommitSha, GithubError> {
        self.0.chars().take(40).collect::<String>().parse()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Marker {
    /// Reads the first marker of a text that anybody may have written.
    pub(super) fn find(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(START)?;
        let (inner, _) = rest.split_once(END)?;
        if inner.len() > LONGEST {
            return None;
        }
        let mut fields = inner.split(' ').map(|field| field.split_once('='));
        let mut next = |name: &str| match fields.next() {
            Some(Some((key, value))) if key == name => Some(value),
            _ => None,
        };
        Some(Self {
            source: next("source")?.parse().ok()?,
            digests: Hash::parse(next("digest-set")?)?,
            content: Hash::parse(next("content")?)?,
            whole: match next("scope")? {
                ALL => true,
                SOME => false,
                _ => return None,
            },
        })
    }

    /// Whether both are of the same pins, whichever commit was built.
    pub(super) fn pins_as(&self, other: &Self) -> bool {
        (&self.digests, &self.content) == (&other.digests, &other.content)
    }

    /// `text` with this marker in the place of the first one that can be read.
    pub(super) fn put(&self, text: &str) -> String {
        match Self::find(text) {
            Some(old) => text.replacen(&old.to_string(), &self.to_string(), 1),
            None => format!("{self}\n{text}"),
        }
    }

    /// Whether a commit says that it is the bot's, of pins for `base`.
    pub(super) fn signs(commit: &Commit, base: &str) -> bool {
        commit.trailer(SOURCE).is_some() && commit.trailer(BASE) == Some(base)
    }

    /// The message of the commit.
    pub(super) fn message(&self, first_line: &str, base: &str) -> String {
        format!(
            "{first_line}\n\n{SOURCE}: {}\n{BASE}: {base}\n{CONTENT}: {}\n",
            self.source,
            self.content.as_str()
        )
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{START}source={} digest-set={} content={} scope={}{END}",
            self.source,
            self.digests.0,
            self.content.0,
            if self.whole { ALL } else { SOME }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            source: "a".repeat(40).parse().unwrap(),
            digests: Hash::of([b"1".as_slice()]),
            content: Hash::of([b"2".as_slice()]),
            whole: true,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let marker = marker();
        let text = format!("by a person\n{marker}\n| table |\n");
        assert_eq!(Marker::find(&text), Some(marker.clone()));
        let mut newer = marker.clone();
        newer.source = "b".repeat(40).parse().unwrap();
        let text = newer.put(&text);
        assert_eq!(Marker::find(&text), Some(newer));
        assert!(text.starts_with("by a person\n<!-- ") && text.ends_with("-->\n| table |\n"));
        assert_eq!(Marker::find(&marker.put("text")), Some(marker));
    }

    #[test]
    fn anything_else_is_no_marker() {
        let good = marker().to_string();
        for bad in [
            String::new(),
            "<!-- pipeline:pin -->".to_owned(),
            "<!-- pipeline:pin source= digest-set= content= -->".to_owned(),
            good.replace("source=a", "source=A"),
            good.replace("source=a", "source=../"),
            good.replace(" digest-set=", " digest-set=x"),
            good.replace(" -->", ""),
            good.replace(" -->", " more"),
            good.replace(" content", "  content"),
            good.replace(" scope=all", ""),
            good.replace("scope=all", "scope=none"),
            format!("<!-- pipeline:pin {} -->", "x".repeat(100_000)),
        ] {
            assert_eq!(Marker::find(&bad), None, "{bad:.200}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let file = |path: &str, bytes: &str| FileChange {
            path: path.to_owned(),
            bytes: bytes.into(),
            executable: false,
        };
        let one = Hash::of_files(&[file("a", "b"), file("c", "d")]);
        assert_eq!(one, Hash::of_files(&[file("c", "d"), file("a", "b")]));
        assert_ne!(one, Hash::of_files(&[file("a", "d"), file("c", "b")]));
        assert_ne!(one, Hash::of_files(&[file("ab", ""), file("c", "d")]));
    }
}
