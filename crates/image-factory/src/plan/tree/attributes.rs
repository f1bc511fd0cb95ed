use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Which files git may store otherwise than they lie in the working tree: with other line ends, by a
/// filter such as LFS, in another encoding, with `$Id$` filled in.
///
/// Of those, the id in the index is not that of the bytes that the builder sees. The rule errs on
/// the careful side: a file counts as converted if any line of any attributes file may say so,
/// whatever a later line takes back. It is then read, which costs time and nothing else.
#[derive(Default)]
pub(crate) struct Conversions {
    all: bool,
    /// Below which folder (empty, or with `/` at the end), and which files there; none: all.
    some: Vec<(Vec<u8>, Option<Gitignore>)>,
}

/// The attributes that convert content (gitattributes(5), "Checking-out and checking-in").
const CONVERTING: &[&str] = &[
    "text",
    "eol",
    "crlf",
    "filter",
    "ident",
    "working-tree-encoding",
];

/// No attributes file that people write is longer.
const LONGEST: u64 = 1 << 20;

impl Conversions {
    pub(crate) fn may_apply_to_all(&mut self) {
        self.all = true;
    }

    /// Adds the rules of an attributes file for `folder`. `expected`: if it is missing, git takes
    /// its own copy, which is not looked at here.
    pub(crate) fn read(&mut self, folder: &[u8], file: &Path, expected: bool) {
        let read = || -> std::io::Result<Option<Vec<u8>>> {
            let bytes = std::fs::metadata(file)?;
            if !bytes.is_file() || bytes.len() > LONGEST {
                return Ok(None);
            }
            std::fs::read(file).map(Some)
        };
        match read() {
            Ok(Some(bytes)) => self.parse(folder, &String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !expected => {}
            Ok(None) | Err(_) => self.some.push((folder.to_vec(), None)),
        }
    }

    fn parse(&mut self, folder: &[u8], text: &str) {
        let mut patterns = GitignoreBuilder::new("/");
        let mut any = false;
        let mut sure = true;
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // A quoted pattern may hold spaces.
            let (pattern, attributes) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let quoted = pattern.starts_with('"');
            let attributes = if quoted { line } else { attributes };
            if !attributes.split_whitespace().any(converts) {
                continue;
            }
            any = true;
            if pattern.starts_with("[attr]") {
                // Whoever has the attribute that is defined here is converted.
                self.all = true;
            }
            sure &= !quoted && !pattern.starts_with(['!', '[']);
            sure &= patterns.add_line(None, pattern).is_ok();
        }
        if any {
            let patterns = patterns.build().ok().filter(|_| sure);
            self.some.push((folder.to_vec(), patterns));
        }
    }

    /// Whether git may convert this file (its path in the repository).
    pub(crate) fn may_apply(&self, path: &[u8]) -> bool {
        self.all
            || self.some.iter().any(|(folder, patterns)| {
                let Some(inside) = path.strip_prefix(folder.as_slice()) else {
                    return false;
                };
                let Some(patterns) = patterns else {
                    return true;
                };
                match std::str::from_utf8(inside) {
                    Ok(inside) => patterns
                        .matched_path_or_any_parents(Path::new(inside), false)
                        .is_ignore(),
                    Err(_) => true,
                }
            })
    }
}

fn converts(attribute: &str) -> bool {
    // `-text` and `!text` say that it does not.
    let name = attribute.split('=').next().unwrap_or_default();
    CONVERTING.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(attributes: &str, path: &str) -> bool {
        let mut conversions = Conversions::default();
        conversions.parse(b"code/", attributes);
        conversions.may_apply(path.as_bytes())
    }

    #[test]
    fn tells_converted_files_from_others() {
        let lfs = "*.bin filter=lfs diff=lfs merge=lfs -text\n*.png binary\n# *.py text\n";
        assert!(may(lfs, "code/a/x.bin"));
        assert!(!may(lfs, "code/a/x.png"));
        assert!(!may(lfs, "code/a/x.py"));
        assert!(!may(lfs, "other/x.bin"));
        assert!(may("* text=auto", "code/a/b"));
        assert!(may("/a/*.sh eol=lf", "code/a/x.sh"));
        assert!(!may("/a/*.sh eol=lf", "code/b/x.sh"));
        assert!(may("a/** ident", "code/a/b/c"));
        assert!(!may("* -text\n*.x !filter\n* linguist-vendored", "code/a"));
    }

    #[test]
    fn what_is_not_understood_may_be_anything() {
        assert!(may("\"a b\" text", "code/z"));
        assert!(may("[attr]mine filter=x\n*.x mine", "code/a"));
        assert!(may("[z-a] text", "code/q"));
        let mut conversions = Conversions::default();
        conversions.read(b"code/", Path::new("/nowhere/at/all"), false);
        assert!(!conversions.may_apply(b"code/a"));
        conversions.read(b"code/", Path::new("/nowhere/at/all"), true);
        assert!(conversions.may_apply(b"code/a"));
        assert!(!conversions.may_apply(b"other"));
    }
}
