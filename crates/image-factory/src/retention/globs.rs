use std::collections::BTreeSet;
use std::path::{Component, Path};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::FactoryError;

/// Patterns of registry files.
#[derive(Debug)]
pub(super) struct Globs {
    pub(super) matcher: GlobSet,
    /// The folders of the patterns, as pathspecs; empty if one begins at the root.
    pub(super) below: Vec<String>,
}

impl Globs {
    pub(super) fn new(globs: &[String]) -> Result<Self, FactoryError> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let pattern = glob.trim_start_matches("./");
            let built = GlobBuilder::new(pattern).literal_separator(true).build();
            set.add(built.map_err(|error| bad_glob(glob, &error))?);
        }
        let matcher = set.build().map_err(|error| bad_glob("", &error))?;
        let fixed: BTreeSet<String> = globs.iter().map(|glob| fixed_part(glob)).collect();
        let below = match fixed.contains("") {
            true => Vec::new(),
            false => fixed.into_iter().collect(),
        };
        Ok(Self { matcher, below })
    }
}

/// The folders of a pattern before its first special character.
fn fixed_part(glob: &str) -> String {
    let special = |part: &str| part.contains(['*', '?', '[', '{', '\\']);
    let parts: Vec<String> = Path::new(glob)
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .take_while(|part| !special(part))
        .collect();
    parts.join("/")
}

fn bad_glob(glob: &str, error: &globset::Error) -> FactoryError {
    FactoryError::UnreadablePins {
        branch: "every branch".to_owned(),
        file: glob.into(),
        problem: error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folders_of_the_patterns_are_listed() {
        assert_eq!(fixed_part("./tools/**/registry.yaml"), "tools");
        assert_eq!(fixed_part("a/b/{x,y}.yaml"), "a/b");
        assert_eq!(fixed_part("**/registry.yaml"), "");
    }
}
