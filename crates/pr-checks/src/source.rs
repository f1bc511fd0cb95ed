use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Changes;
use crate::parser::Unreadable;

/// Of standard output, of standard error, and of a file that a program writes.
pub(crate) const LARGEST: usize = 32 << 20;

/// What is kept of what a program prints.
#[derive(Clone, Debug, Default)]
pub(crate) struct Printed {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// There was more of standard output than is kept.
    pub(crate) cut: bool,
}

impl Printed {
    /// Takes in a line.
    pub(crate) fn line(&mut self, is_stdout: bool, line: &str) {
        let stream = match is_stdout {
            true => &mut self.stdout,
            false => &mut self.stderr,
        };
        if stream.len() + line.len() < LARGEST {
            stream.push_str(line);
            stream.push('\n');
        } else {
            self.cut |= is_stdout;
        }
    }
}

/// A file that a program should write: what it was before the program ran.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    named: PathBuf,
    path: PathBuf,
    before: Option<(SystemTime, u64)>,
}

impl Report {
    /// `named` is relative to `folder`, where the program will run.
    pub(crate) fn before(folder: &Path, named: &Path) -> Self {
        let path = folder.join(named);
        Self {
            named: named.to_path_buf(),
            before: stamp(&path),
            path,
        }
    }

    fn text(&self, root: &Path) -> Result<String, Unreadable> {
        let shown = self.named.display();
        let now = stamp(&self.path)
            .ok_or_else(|| Unreadable(format!("the command did not write `{shown}`")))?;
        if self.before == Some(now) {
            return Err(Unreadable(format!(
                "the command did not write `{shown}`: it is from an earlier run"
            )));
        }
        // A link would be followed out of the repository.
        match self.path.canonicalize() {
            Ok(real) if real.starts_with(root) => text_of(&real, &shown),
            _ => Err(Unreadable(format!("`{shown}` is outside the repository"))),
        }
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((meta.modified().ok()?, meta.len()))
}

fn text_of(path: &Path, shown: &dyn std::fmt::Display) -> Result<String, Unreadable> {
    // Of a pipe, nobody would see the end.
    if !path.is_file() {
        return Err(Unreadable(format!("the command did not write `{shown}`")));
    }
    let mut text = String::new();
    let limit = LARGEST as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() > LARGEST => Err(Unreadable(format!(
            "`{shown}` is larger than {} MiB",
            LARGEST >> 20
        ))),
        Ok(_) => Ok(text),
        Err(error) => Err(Unreadable(format!("`{shown}` cannot be read: {error}"))),
    }
}

/// All that a program left behind for a parser.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) printed: Printed,
    /// The files at places that the check names.
    pub(crate) reports: Vec<Report>,
    /// What `{report}` stands for.
    pub(crate) scratch: Option<PathBuf>,
    /// The root of the repository, without links.
    pub(crate) root: PathBuf,
    pub(crate) changes: Option<Changes>,
}

impl Sources {
    pub(crate) fn stdout(&self) -> Result<&str, Unreadable> {
        match self.printed.cut {
            true => Err(Unreadable(format!(
                "the command printed more than {} MiB",
                LARGEST >> 20
            ))),
            false => Ok(&self.printed.stdout),
        }
    }

    pub(crate) fn stderr(&self) -> &str {
        &self.printed.stderr
    }

    pub(crate) fn has_scratch(&self) -> bool {
        self.scratch.is_some()
    }

    pub(crate) fn changes(&self) -> Option<&Changes> {
        self.changes.as_ref()
    }

    /// The text of a file: the one that the check names, else what `{report}` stands for.
    pub(crate) fn report(&self, named: Option<&Path>) -> Result<String, Unreadable> {
        let known = |report: &&Report| Some(report.named.as_path()) == named;
        match (self.reports.iter().find(known), &self.scratch) {
            (Some(report), _) => report.text(&self.root),
            (None, Some(scratch)) => text_of(scratch, &"{report}"),
            (None, None) => Err(Unreadable("the command has no `{report}`".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(folder: &Path, named: &str) -> Sources {
        Sources {
            printed: Printed::default(),
            reports: vec![Report::before(folder, Path::new(named))],
            scratch: None,
            root: folder.canonicalize().unwrap(),
            changes: None,
        }
    }

    fn problem(sources: &Sources, named: &str) -> String {
        sources.report(Some(Path::new(named))).unwrap_err().0
    }

    #[test]
    fn a_file_of_an_earlier_run_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.xml");
        std::fs::write(&file, "old").unwrap();
        let sources = sources(folder.path(), "a.xml");
        insta::assert_snapshot!(problem(&sources, "a.xml"), @"the command did not write `a.xml`: it is from an earlier run");
        std::fs::write(&file, "newer").unwrap();
        assert_eq!(sources.report(Some(Path::new("a.xml"))).unwrap(), "newer");
    }

    #[test]
    fn files_that_are_none_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        let large = sources(folder.path(), "large");
        let file = File::create(folder.path().join("large")).unwrap();
        file.set_len(LARGEST as u64 + 1).unwrap();
        let link = sources(folder.path(), "link");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        let missing = sources(folder.path(), "missing");
        let said = [
            problem(&large, "large"),
            problem(&link, "link"),
            problem(&missing, "missing"),
        ];
        insta::assert_snapshot!(said.join("\n"), @"
        `large` is larger than 32 MiB
        `link` is outside the repository
        the command did not write `missing`
        ");
    }

    #[test]
    fn what_is_printed_is_kept_within_bounds() {
        let mut printed = Printed::default();
        let line = "x".repeat(1 << 20);
        for _ in 0..40 {
            printed.line(true, &line);
            printed.line(false, &line);
        }
        assert!(printed.cut && printed.stdout.len() <= LARGEST);
        assert!(printed.stderr.len() <= LARGEST);
    }
}
