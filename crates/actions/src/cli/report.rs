use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use serde::Serialize;
use serde_json::Value;

use super::args::JsonArg;
use super::output::{print, set_output, write};
use crate::exit::Exit;
use crate::ui::Failure;

/// Of every report so far.
const SCHEMA: u32 = 1;

/// No report has as many bytes.
pub(super) const LARGEST: u64 = 64 * 1024 * 1024;

/// As many symbolic links as Linux follows.
const MAX_LINKS: usize = 40;

/// How long a pipe may be without a reader.
const PIPE_PATIENCE: Duration = Duration::from_secs(3);

/// What `--json` asks for, known to be possible before anything is started.
#[derive(Debug)]
pub(super) struct Report {
    to: To,
}

#[derive(Debug)]
enum To {
    Nowhere,
    Stdout,
    /// A device or a pipe, which is written to and stays.
    Stream(PathBuf),
    /// A file that is replaced as a whole, or a new one.
    File {
        /// As it was given.
        given: PathBuf,
        /// What it leads to, when it is a symbolic link.
        real: PathBuf,
    },
}

impl Report {
    /// Checks that the report can be written where `--json` says, and takes away that of a run
    /// before: what failed early must not look like what was done then.
    pub(super) fn to(json: &JsonArg) -> Result<Self, Failure> {
        let report = Self::beside(json)?;
        report.clear()?;
        Ok(report)
    }

    /// The same for a command that reads reports first; what is there stays until
    /// [`Report::clear`].
    pub(super) fn beside(json: &JsonArg) -> Result<Self, Failure> {
        match &json.json {
            Some(path) => Self::at(path),
            None => Ok(Self { to: To::Nowhere }),
        }
    }

    /// Takes the report of a run before away. Any other file stays until there is a report.
    pub(super) fn clear(&self) -> Result<(), Failure> {
        match &self.to {
            To::File { given, real } if is_report(real) => {
                fs::remove_file(real).map_err(|error| failed(given, &error))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the file that another argument names can be written; it stays as it is.
    pub(super) fn at(path: &Path) -> Result<Self, Failure> {
        // Opening the latter again would start at its beginning, over what was said there.
        if path == Path::new("-") || path == Path::new("/dev/stdout") {
            return Ok(Self { to: To::Stdout });
        }
        let to = place(path).map_err(|error| failed(path, &error))?;
        Ok(Self { to })
    }

    /// Shows the result to people, unless standard output is for the report, and writes the report.
    /// What goes wrong with the one does not keep the other back.
    pub(super) fn deliver<T: Serialize>(
        &self,
        report: &T,
        shown: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let printed = match self.to {
            To::Stdout => Ok(()),
            _ => print(&shown()),
        };
        let written = self.write(report);
        printed.and(written)
    }

    /// Writes a report that is not whole yet: nobody knows whether this program will come so far. A
    /// stream takes what is written to it once, and gets the whole one alone.
    pub(super) fn save<T: Serialize>(&self, report: &T) {
        if let To::File { .. } = self.to {
            warn(self.write(report));
        }
    }

    /// Writes the report of a stage that failed. Its own failure is what the command ends with.
    pub(super) fn deliver_failed<T: Serialize>(&self, report: &T) {
        warn(self.write(report));
    }

    /// Writes the report, and tells a workflow where that is.
    fn write<T: Serialize>(&self, report: &T) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(report)
            .map_err(|error| Failure::new(Exit::Unexpected, error))?;
        text.push('\n');
        match self.put(&text)? {
            Some(file) => set_output("report", &file.to_string_lossy()),
            None => Ok(()),
        }
    }

    /// Writes text as it is, and says into which file.
    pub(super) fn put(&self, text: &str) -> Result<Option<&Path>, Failure> {
        let (given, written) = match &self.to {
            To::Nowhere => return Ok(None),
            To::Stdout => return write(text).map(|()| None),
            To::Stream(path) => (path, pour(path, text)),
            To::File { given, real } => (given, replace(real, text)),
        };
        written.map_err(|error| failed(given, &error))?;
        Ok(Some(given))
    }

    /// The file that it is written to, and what leads there.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let files = match &self.to {
            To::File { given, real } => vec![given.clone(), real.clone()],
            To::Nowhere | To::Stdout | To::Stream(_) => Vec::new(),
        };
        files.into_iter()
    }

    /// Whether it goes to standard output.
    pub(super) fn is_stdout(&self) -> bool {
        matches!(self.to, To::Stdout)
    }
}

/// A command that did not end well ends so, whatever became of its report.
pub(super) fn ended(
    ended: Result<Exit, Failure>,
    delivered: Result<(), Failure>,
) -> Result<Exit, Failure> {
    if matches!(ended, Ok(Exit::Done)) {
        return delivered.map(|()| Exit::Done);
    }
    warn(delivered);
    ended
}

fn warn(delivered: Result<(), Failure>) {
    if let Err(failure) = delivered {
        tracing::warn!("failed to {}", failure.error);
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => Some("create the folder, or name another file with --json"),
        _ => None,
    };
    let text = format!("write the report `{}`: {error}", path.display());
    Failure::new(Exit::Input, text).with_hint(hint.map(str::to_owned))
}

/// Whether one of our reports is there, and nothing else: an object of JSON with a schema.
fn is_report(path: &Path) -> bool {
    let read = fs::File::open(path).map(|file| io::BufReader::new(file.take(LARGEST)));
    let found = read.map(serde_json::from_reader::<_, Value>);
    found.is_ok_and(|found| found.is_ok_and(|found| found["schema"] == SCHEMA))
}

fn place(path: &Path) -> io::Result<To> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a folder",
        )),
        Ok(there) if !there.is_file() => {
            // Opening a pipe would wait for its reader.
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?;
            Ok(To::Stream(path.to_owned()))
        }
        // A link to nothing is answered by what it leads to.
        Ok(_) | Err(_) => {
            let real = follow(path)?;
            temporary(&real)?;
            Ok(To::File {
                given: path.to_owned(),
                real,
            })
        }
    }
}

/// What a chain of symbolic links leads to, which need not be there.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = folder_of(&path).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::LOOP.into())
}

fn folder_of(file: &Path) -> &Path {
    file.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// An empty file beside `path` that goes when it is dropped.
fn temporary(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        let text = format!("there is no folder `{}`", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let file = tempfile::Builder::new()
        // As every program makes its files; the umask takes from it.
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        // Its name is nobody's concern.
        .map_err(|error| io::Error::from(error.kind()))?;
    if let Ok(there) = fs::metadata(path) {
        file.as_file().set_permissions(there.permissions())?;
    }
    Ok(file)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut file = temporary(path)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn pour(path: &Path, text: &str) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
    let since = Instant::now();
    // Opening a pipe would wait for its reader, for ever and deaf to Ctrl-C.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = loop {
        match open(path, flags, Mode::empty()) {
            Err(Errno::NXIO) if since.elapsed() < PIPE_PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(Errno::NXIO) => return Err(io::Error::other("nothing reads from it")),
            opened => break opened?,
        }
    };
    fcntl_setfl(&opened, OFlags::empty())?;
    fs::File::from(opened).write_all(text.as_bytes())
}
