use std::collections::BTreeMap;
use std::io::{Error, Read, Result};

use tar::{Archive, Entries, Entry, EntryType};

use super::config::short;

/// The most that two layers may unpack to, each.
const LONGEST_UNPACKED: u64 = 16 * 1024 * 1024 * 1024;
/// The most that the extended headers of one file may have, together; the kernel allows 64 KiB for the
/// extended attributes of a file.
const LONGEST_EXTENSION: u64 = 1024 * 1024;
/// What each takes at least, besides its content.
const HEADER: u64 = 512;
const PIECE: usize = 64 * 1024;

/// The first difference between the files of two layers, in the order of the archives. Times do
/// not count. An archive that cannot be read is an error; so is one of a kind that no builder
/// writes.
pub(super) fn first_difference(old: &mut impl Read, new: &mut impl Read) -> Result<Option<String>> {
    let mut old = Archive::new(old.take(LONGEST_UNPACKED));
    let mut new = Archive::new(new.take(LONGEST_UNPACKED));
    let mut old = Files(old.entries()?.raw(true));
    let mut new = Files(new.entries()?.raw(true));
    loop {
        match (old.next()?, new.next()?) {
            (None, None) => return Ok(None),
            (Some(file), None) => return Ok(Some(format!("{} is gone", file.path()))),
            (None, Some(file)) => return Ok(Some(format!("{} is new", file.path()))),
            (Some(mut old), Some(mut new)) => {
                if let Some(what) = old.differs_from(&mut new)? {
                    return Ok(Some(what));
                }
            }
        }
    }
}

/// The files of an archive, each with the extended headers before it.
struct Files<'a, R: Read>(Entries<'a, R>);

struct File<'a, R: Read> {
    entry: Entry<'a, R>,
    extensions: Extensions,
}

type Extensions = BTreeMap<Vec<u8>, Vec<u8>>;

/// GNU's extended headers, under the names that POSIX gives to the same facts.
const PATH: &[u8] = b"path";
const LINK: &[u8] = b"linkpath";
/// What only says when (POSIX, pax, "pax Header Block").
const TIMES: [&[u8]; 3] = [b"mtime", b"atime", b"ctime"];

impl<'a, R: Read> Files<'a, R> {
    fn next(&mut self) -> Result<Option<File<'a, R>>> {
        let mut extensions = Extensions::new();
        let mut left = LONGEST_EXTENSION;
        let mut extension = |entry: &mut Entry<'_, R>| {
            let length = entry.size().saturating_add(HEADER);
            let rest = left.checked_sub(length);
            left = rest.ok_or_else(|| Error::other("extended headers that are too long"))?;
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            Result::Ok(content)
        };
        for entry in self.0.by_ref() {
            let mut entry = entry?;
            match entry.header().entry_type() {
                EntryType::XHeader | EntryType::XGlobalHeader => {
                    pax(&extension(&mut entry)?, &mut extensions)?;
                }
                EntryType::GNULongName => {
                    extensions.insert(PATH.to_vec(), text(extension(&mut entry)?));
                }
                EntryType::GNULongLink => {
                    extensions.insert(LINK.to_vec(), text(extension(&mut entry)?));
                }
                EntryType::GNUSparse => return Err(Error::other("a sparse file")),
                _ if extensions.contains_key(&b"size"[..]) => {
                    return Err(Error::other("a file of more than 8 GiB"));
                }
                _ => return Ok(Some(File { entry, extensions })),
            }
        }
        Ok(None)
    }
}

/// Up to the first NUL.
fn text(mut content: Vec<u8>) -> Vec<u8> {
    let end = content.iter().position(|byte| *byte == 0);
    content.truncate(end.unwrap_or(content.len()));
    content
}

/// Reads the records `<length> <name>=<value>\n`; a value may hold any byte.
fn pax(mut content: &[u8], into: &mut Extensions) -> Result<()> {
    let broken = || Error::other("an extended header that cannot be read");
    while !content.is_empty() {
        let space = content.iter().position(|byte| *byte == b' ');
        let space = space.ok_or_else(broken)?;
        let digits = std::str::from_utf8(&content[..space]).map_err(|_| broken())?;
        let length: usize = digits.parse().map_err(|_| broken())?;
        let record = content.get(space + 1..length).ok_or_else(broken)?;
        let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
        let equals = record.iter().position(|byte| *byte == b'=');
        let (name, value) = record.split_at(equals.ok_or_else(broken)?);
        if !TIMES.contains(&name) {
            into.insert(name.to_vec(), value[1..].to_vec());
        }
        content = &content[length..];
    }
    Ok(())
}

/// Parts of a file's header (POSIX, pax, "ustar Interchange Format") in the order in which they
/// are compared; the times and the sum over the header are not among them.
const FIELDS: [(&str, std::ops::Range<usize>); 8] = [
    ("mode", 100..108),
    ("owner", 108..124),
    ("kind", 156..157),
    ("link target", 157..257),
    ("size", 124..136),
    ("format", 257..265),
    ("owner", 265..329),
    ("device", 329..345),
];
/// The name and its beginning.
const NAME: std::ops::Range<usize> = 0..100;
const PREFIX: std::ops::Range<usize> = 345..500;
/// GNU's format has two times where the beginning of the name would be.
const GNU_TIMES: usize = 24;

impl<R: Read> File<'_, R> {
    fn path(&self) -> String {
        let path = match self.extensions.get(PATH) {
            Some(path) => String::from_utf8_lossy(path),
            None => String::from_utf8_lossy(&self.entry.path_bytes())
                .into_owned()
                .into(),
        };
        short(&path)
    }

    fn differs_from<S: Read>(&mut self, new: &mut File<'_, S>) -> Result<Option<String>> {
        let path = new.path();
        let (old_header, new_header) = (self.entry.header(), new.entry.header());
        let prefix = match old_header.as_gnu() {
            Some(_) => PREFIX.start + GNU_TIMES..PREFIX.end,
            None => PREFIX,
        };
        let (old_bytes, new_bytes) = (old_header.as_bytes(), new_header.as_bytes());
        let same = |range: std::ops::Range<usize>| old_bytes[range.clone()] == new_bytes[range];
        let path_of = |extensions: &Extensions| extensions.get(PATH).cloned();
        if !same(NAME) || !same(prefix) || path_of(&self.extensions) != path_of(&new.extensions) {
            return Ok(Some(format!("{path} comes where {} was", self.path())));
        }
        for (what, range) in FIELDS {
            if !same(range) {
                return Ok(Some(format!("{path} has another {what}")));
            }
        }
        if self.extensions != new.extensions {
            let what = if self.extensions.get(LINK) == new.extensions.get(LINK) {
                "extended attributes"
            } else {
                "another link target"
            };
            return Ok(Some(format!("{path} has {what}")));
        }
        if !same_content(&mut self.entry, &mut new.entry)? {
            return Ok(Some(format!("{path} has other content")));
        }
        Ok(None)
    }
}

/// Of two files of one size.
fn same_content(old: &mut impl Read, new: &mut impl Read) -> Result<bool> {
    let (mut before, mut after) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let length = old.read(&mut before)?;
        if length == 0 {
            return Ok(true);
        }
        new.read_exact(&mut after[..length])?;
        if before[..length] != after[..length] {
            return Ok(false);
        }
    }
}
