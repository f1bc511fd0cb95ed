use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ModalError;

/// How many of the last lines are repeated in a report.
const LINES: usize = 8;

/// What `modal deploy` says: its last lines, and all of it in a file if there is a place for one.
#[derive(Clone, Debug)]
pub(super) struct Log(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    last: VecDeque<String>,
    path: Option<PathBuf>,
    file: Option<File>,
}

/// Where the log of an app is; the name of an app holds nothing that a path gives a meaning.
pub(super) fn path(folder: Option<&Path>, app: &str) -> Option<PathBuf> {
    folder.map(|folder| folder.join(format!("{app}.log")))
}

impl Log {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            last: VecDeque::new(),
            path,
            file: None,
        })))
    }

    /// Goes on where an earlier deploy of the same run ended.
    pub(super) fn open(&self) -> Result<(), ModalError> {
        let mut inner = self.inner();
        if let Some(path) = &inner.path {
            let file = OpenOptions::new().create(true).append(true).open(path);
            inner.file = Some(file.map_err(|error| unusable(path, &error))?);
        }
        Ok(())
    }

    pub(super) fn line(&self, line: &str) {
        let mut inner = self.inner();
        if let Some(file) = &mut inner.file {
            // A disk that is full must not end a deploy.
            let _ = writeln!(file, "{line}");
        }
        if !line.trim().is_empty() {
            if inner.last.len() == LINES {
                inner.last.pop_front();
            }
            inner.last.push_back(line.to_owned());
        }
    }

    /// The last lines, and where all of them are.
    pub(super) fn end(&self) -> (Vec<String>, Option<PathBuf>) {
        let mut inner = self.inner();
        let written = inner.file.take().and(inner.path.clone());
        (inner.last.drain(..).collect(), written)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the folder, and takes away what an earlier run said about these apps.
pub(super) fn prepare<'a>(
    folder: &Path,
    apps: impl Iterator<Item = &'a str>,
) -> Result<(), ModalError> {
    std::fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
    for app in apps {
        let Some(path) = path(Some(folder), app) else {
            continue;
        };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unusable(&path, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn unusable(path: &Path, error: &std::io::Error) -> ModalError {
    ModalError::Setting {
        setting: "the folder of logs",
        problem: format!("`{}`: {error}", path.display()),
    }
}
