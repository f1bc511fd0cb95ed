use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Which files git may store otherwise than they lie in the working tree: with other line ends, by a
/// filter such as LFS, in another encoding, with `$Id$` filled in.
///
/// Of those, the id in the index is not that of the bytes that the builder sees. As for git, the last
/// line counts that says something of an attribute; where a line is not understood, it may convert
/// whatever it could be about, and takes nothing back. A file that counts as converted is read, which
/// costs time and nothing else.
#[derive(Default)]
pub(crate) struct Conversions {
    all: bool,
    /// The least binding first.
    rules: Vec<Rules>,
}

/// Lines of an attributes file that follow each other and say the same.
struct Rules {
    /// Below which folder: empty, or with `/` at the end.
    folder: Vec<u8>,
    /// Which files there; none: all.
    files: Option<Gitignore>,
    says: Says,
}

/// What is said of the attributes that convert content (gitattributes(5), "Checking-out and
/// checking-in").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Says {
    text: Option<State>,
    /// An old name of `text`, which counts where that says nothing.
    crlf: Option<State>,
    eol: Option<State>,
    filter: Option<State>,
    ident: Option<State>,
    encoding: Option<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As if nothing had been said.
    Unspecified,
    Off,
    On,
}

impl Says {
    fn read(attributes: &str) -> Self {
        let mut says = Self::default();
        for word in attributes.split_whitespace() {
            let (name, state) = match (word.strip_prefix('-'), word.strip_prefix('!')) {
                (Some(name), _) => (name, State::Off),
                (_, Some(name)) => (name, State::Unspecified),
                _ => (word, State::On),
            };
            match name.split('=').next().unwrap_or_default() {
                "text" => says.text = Some(state),
                "crlf" => says.crlf = Some(state),
                "eol" => says.eol = Some(state),
                "filter" => says.filter = Some(state),
                "ident" => says.ident = Some(state),
                "working-tree-encoding" => says.encoding = Some(state),
                "binary" if state == State::On => says.text = Some(State::Off),
                _ => {}
            }
        }
        says
    }

    fn all(&mut self) -> [&mut Option<State>; 6] {
        [
            &mut self.text,
            &mut self.crlf,
            &mut self.eol,
            &mut self.filter,
            &mut self.ident,
            &mut self.encoding,
        ]
    }

    /// Without what it takes back.
    fn converting(mut self) -> Self {
        for state in self.all() {
            *state = state.filter(|state| *state == State::On);
        }
        self
    }

    /// What counts after `later`.
    fn then(mut self, mut later: Self) -> Self {
        for (state, later) in self.all().into_iter().zip(later.all()) {
            *state = later.or(*state);
        }
        self
    }

    fn converts(&self) -> bool {
        let said = |state: Option<State>| state.filter(|state| *state != State::Unspecified);
        let lines = said(self.text).or(said(self.crlf)).or(said(self.eol));
        [lines, self.filter, self.ident, self.encoding].contains(&Some(State::On))
    }
}

/// No attributes file that people write is longer.
const LONGEST: u64 = 1 << 20;

impl Conversions {
    pub(crate) fn may_apply_to_all(&mut self) {
        self.all = true;
    }

    /// Adds the rules of an attributes file for `folder`, which bind more than all before. `expected`: if it is missing, git takes
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
            Ok(None) | Err(_) => {
                let mut says = Says::default();
                for state in says.all() {
                    *state = Some(State::On);
                }
                self.add_all(folder, says);
            }
        }
    }

    fn parse(&mut self, folder: &[u8], text: &str) {
        let mut same: Vec<&str> = Vec::new();
        let mut before = Says::default();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // A quoted pattern may hold spaces.
            let (pattern, attributes) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let quoted = pattern.starts_with('"');
            let says = Says::read(if quoted { line } else { attributes });
            if says == Says::default() && pattern != "[attr]binary" {
                continue;
            }
            if pattern.starts_with("[attr]") {
                // Whoever has the attribute that is defined here is converted.
                self.all |= says.converting() != Says::default() || pattern == "[attr]binary";
                continue;
            }
            if quoted || pattern.starts_with(['!', '[']) {
                self.add(folder, &std::mem::take(&mut same), before);
                self.add_all(folder, says);
                continue;
            }
            if says != before {
                self.add(folder, &std::mem::take(&mut same), before);
                before = says;
            }
            same.push(pattern);
        }
        self.add(folder, &same, before);
    }

    fn add(&mut self, folder: &[u8], patterns: &[&str], says: Says) {
        if patterns.is_empty() {
            return;
        }
        let mut builder = GitignoreBuilder::new("/");
        let sure = patterns
            .iter()
            .all(|pattern| builder.add_line(None, pattern).is_ok());
        match builder.build().ok().filter(|_| sure) {
            Some(files) => self.rules.push(Rules {
                folder: folder.to_vec(),
                files: Some(files),
                says,
            }),
            None => self.add_all(folder, says),
        }
    }

    /// Adds what may be said of any file.
    fn add_all(&mut self, folder: &[u8], says: Says) {
        self.rules.push(Rules {
            folder: folder.to_vec(),
            files: None,
            says: says.converting(),
        });
    }

    /// Whether git may convert this file (its path in the repository).
    pub(crate) fn may_apply(&self, path: &[u8]) -> bool {
        let says = |rules: &Rules| rules.says_of(path);
        self.all
            || self
                .rules
                .iter()
                .map(says)
                .fold(Says::default(), Says::then)
                .converts()
    }
}

impl Rules {
    fn says_of(&self, path: &[u8]) -> Says {
        let Some(inside) = path.strip_prefix(self.folder.as_slice()) else {
            return Says::default();
        };
        let (Some(files), Ok(inside)) = (&self.files, std::str::from_utf8(inside)) else {
            return self.says.converting();
        };
        let inside = Path::new(inside);
        if files.matched(inside, false).is_ignore() {
            self.says
        } else if files.matched_path_or_any_parents(inside, false).is_ignore() {
            // For git, what is said of a folder is not said of what is in it.
            self.says.converting()
        } else {
            Says::default()
        }
    }
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
    fn the_last_line_that_says_something_counts() {
        let usual = "* text=auto\n*.sh eol=lf\n*.bin binary\n*.dat -text\n/x.sh -text\n";
        assert!(may(usual, "code/a.py"));
        assert!(may(usual, "code/a/b.sh"));
        assert!(!may(usual, "code/a/b.bin"));
        assert!(!may(usual, "code/a/b.dat"));
        assert!(!may(usual, "code/x.sh"));
        assert!(may("*.bin -text\n* text=auto\n", "code/a.bin"));
        assert!(may("* filter=lfs\n*.x binary\n", "code/a.x"));
        assert!(!may("* filter=lfs -text\n*.x !filter\n", "code/a.x"));
        assert!(may("* text=auto\n* -crlf\n", "code/a"));
        assert!(!may("* -crlf\n", "code/a"));
        assert!(!may("* eol=crlf\n*.x -text\n", "code/a.x"));
        assert!(may("* eol=crlf\n*.x !text\n", "code/a.x"));
        // What is not understood takes nothing back, nor does what is said of a folder.
        assert!(may("* text\n\"a b\" -text\n[z-a] -text\n", "code/a"));
        assert!(may("* text\na -text\na/ -text\n", "code/a/b"));
        assert!(may("[attr]binary diff\n* text\n*.x binary\n", "code/a.x"));
        let mut conversions = Conversions::default();
        conversions.parse(b"", "* text\n");
        conversions.parse(b"code/", "* -text\n");
        assert!(!conversions.may_apply(b"code/a"));
        assert!(conversions.may_apply(b"other"));
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
