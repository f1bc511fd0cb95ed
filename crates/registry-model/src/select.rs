//! Which processors a command is about.

use std::fmt;
use std::path::PathBuf;

use crate::{Entry, Registry};

/// A name that no processor has, and the nearest that one has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The name as it was given.
    pub name: String,
    /// The most similar name of a processor, if any is similar.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, " (did you mean `{nearest}`?)"),
            None => Ok(()),
        }
    }
}

/// A selection that can't be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// Some names are not in the registry.
    #[error("select processors: no processor is named {}", join(names))]
    Unknown {
        /// The names, in the order they were given.
        names: Vec<UnknownName>,
        /// The refs that can be selected.
        known: Vec<String>,
    },
    /// A name stands only for processors that are switched off.
    #[error("select processor `{name}`: {} has `enabled: false`", file.display())]
    Disabled {
        /// The name.
        name: String,
        /// The registry file that switches it off.
        file: PathBuf,
    },
}

fn join(names: &[UnknownName]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl SelectionError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } if known.is_empty() => {
                Some("no processor of the registry is enabled".into())
            }
            Self::Unknown { known, .. } => Some(format!(
                "choose from {}; a name may also leave out the version or be that of the package \
                 or the image",
                known.join(", ")
            )),
            Self::Disabled { file, .. } => Some(format!(
                "delete `enabled: false` in {}, or leave the processor out",
                file.display()
            )),
        }
    }

    /// Always `false`: selecting takes no time.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        false
    }
}

/// The names that an entry answers to.
fn names(entry: &Entry) -> [String; 4] {
    let reference = &entry.reference;
    [
        reference.to_string(),
        reference.unversioned(),
        reference.package(),
        reference.image_name(),
    ]
}

impl Registry {
    /// The entries with these names, in the order of their files, each once; without names, all
    /// that are enabled.
    ///
    /// A name is a ref (`llm/litellm@1`), a ref without version (`llm/litellm`), a package
    /// (`llm_litellm`) or the name of an image (`llm-litellm`).
    ///
    /// # Errors
    /// When a name is unknown, or stands only for entries that are switched off.
    pub fn select(&self, wanted: &[String]) -> Result<Vec<&Entry>, SelectionError> {
        let mut chosen = vec![wanted.is_empty(); self.entries.len()];
        let mut unknown = Vec::new();
        for name in wanted {
            let matching = |entry: &Entry| names(entry).contains(name);
            let found: Vec<usize> = (0..self.entries.len())
                .filter(|index| matching(&self.entries[*index]))
                .collect();
            let enabled = |index: &&usize| self.entries[**index].enabled;
            match found.first() {
                None => unknown.push(self.unknown(name)),
                Some(first) if !found.iter().any(|index| enabled(&index)) => {
                    return Err(SelectionError::Disabled {
                        name: name.clone(),
                        file: self.entries[*first].file.clone(),
                    });
                }
                Some(_) => found.iter().for_each(|index| chosen[*index] = true),
            }
        }
        if !unknown.is_empty() {
            return Err(SelectionError::Unknown {
                names: unknown,
                known: self
                    .enabled()
                    .map(|entry| entry.reference.to_string())
                    .collect(),
            });
        }
        let entries = self.entries.iter().zip(chosen);
        Ok(entries
            .filter(|(entry, chosen)| *chosen && entry.enabled)
            .map(|(entry, _)| entry)
            .collect())
    }

    fn enabled(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.enabled)
    }

    fn unknown(&self, name: &str) -> UnknownName {
        let nearest = self
            .enabled()
            .flat_map(names)
            .map(|known| (strsim::jaro_winkler(name, &known), known))
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .filter(|(similarity, _)| *similarity > 0.8)
            .map(|(_, known)| known);
        UnknownName {
            name: name.to_owned(),
            nearest,
        }
    }
}
