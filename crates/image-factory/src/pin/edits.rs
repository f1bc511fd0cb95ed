use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};
use github::{CommitSha, FileChange};
use registry_model::{Edit, PinnedImage};

use super::changes::{PinChange, PinChanges, chain};
use super::forge::Forge;
use crate::FactoryError;

/// Files that are read at once.
pub(super) const READS: usize = 8;

/// What the pins change in the files of the base branch as they are now.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// The files that differ then, whole.
    pub(super) files: Vec<FileChange>,
    /// The changes that the base branch does not have yet.
    pub(super) changes: Vec<PinChange>,
    /// Those among them whose pin is another by now than it was in the files that were built.
    pub(super) moved: Vec<PinChange>,
}

/// The registry files of the base branch.
pub(super) struct BaseFiles {
    base: String,
    texts: Vec<(String, Vec<u8>)>,
    /// Those that it does not have.
    pub(super) missing: Vec<String>,
}

impl BaseFiles {
    /// Reads the files that `changes` are about.
    pub(super) async fn read<F: Forge>(
        forge: &F,
        changes: &PinChanges,
        base: &str,
        at: &CommitSha,
    ) -> Result<Self, FactoryError> {
        let read = |file: &Path| {
            let path = file.to_string_lossy().into_owned();
            async move {
                let bytes = forge.read_file(at.as_str(), &path).await?;
                Ok::<_, FactoryError>((path, bytes))
            }
        };
        let read: Vec<(String, Option<Vec<u8>>)> =
            stream::iter(changes.files().into_iter().map(read))
                .buffered(READS)
                .try_collect()
                .await?;
        let mut files = Self {
            base: base.to_owned(),
            texts: Vec::with_capacity(read.len()),
            missing: Vec::new(),
        };
        for (path, bytes) in read {
            match bytes {
                Some(bytes) => files.texts.push((path, bytes)),
                None => files.missing.push(path),
            }
        }
        Ok(files)
    }

    /// That these very files should be there.
    pub(super) fn not_there(&self) -> FactoryError {
        let problem = format!("it is not on `{}`", self.base);
        let missing = self.missing.iter();
        FactoryError::PartlyPinned {
            failures: missing.map(|path| (path.into(), problem.clone())).collect(),
            total: self.texts.len() + self.missing.len(),
        }
    }

    /// That they are gone since the commit that was built.
    pub(super) fn are_gone(&self) -> String {
        let (first, more) = match self.missing.as_slice() {
            [] => ("", 0),
            [first, rest @ ..] => (first.as_str(), rest.len()),
        };
        match more {
            0 => format!(
                "`{first}` is not on `{}` any more: its pins are left out",
                self.base
            ),
            more => format!(
                "`{first}` and {more} more files are not on `{}` any more: their pins are left out",
                self.base
            ),
        }
    }

    /// Sets the pins in the files that are there.
    pub(super) fn edit(&self, changes: &[PinChange]) -> Result<Edits, FactoryError> {
        let mut edits = Edits::default();
        let mut failures = Vec::new();
        for (path, bytes) in &self.texts {
            let mut text = bytes.clone();
            for change in changes.iter().filter(|one| one.file == Path::new(path)) {
                match registry_model::edit(&text, &change.place(), &change.new) {
                    Ok(Edit::Unchanged) => {}
                    Ok(Edit::Changed(new)) => {
                        if !is_pinned(&text, change, change.old.as_ref()) {
                            edits.moved.push(change.clone());
                        }
                        edits.changes.push(change.clone());
                        text = new;
                    }
                    Err(error) => {
                        let problem = format!("on `{}`: {}", self.base, chain(&error));
                        failures.push((path.into(), problem));
                        break;
                    }
                }
            }
            if text != *bytes {
                edits.files.push(FileChange {
                    path: path.clone(),
                    bytes: text,
                    executable: false,
                });
            }
        }
        if failures.is_empty() {
            Ok(edits)
        } else {
            let total = self.texts.len();
            Err(FactoryError::PartlyPinned { failures, total })
        }
    }
}

fn is_pinned(text: &[u8], change: &PinChange, image: Option<&PinnedImage>) -> bool {
    image.is_some_and(|image| {
        matches!(
            registry_model::edit(text, &change.place(), image),
            Ok(Edit::Unchanged)
        )
    })
}
