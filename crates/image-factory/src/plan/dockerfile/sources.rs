use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;

use super::super::tree::{FileMode, GIT, Picked, Tree, Wanted};

/// What of a context can be seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Visible {
    /// All of it, or it is not certain what.
    Everything,
    /// These.
    Only(BTreeSet<Pattern>),
}

/// A `.git` that a Dockerfile sees, which never counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OfGit {
    /// Whether a source names it; else it is among others.
    pub(crate) named: bool,
    /// Relative to the root.
    pub(crate) path: PathBuf,
}

/// Files and folders of a context, by their path; a folder with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pattern {
    /// The names up to the first that has a wildcard.
    fixed: Vec<String>,
    /// That one and those behind it: `*` is any text, `?` any character.
    wild: Vec<String>,
    /// Some of what is in it is meant, and not known which: BuildKit follows a link that is meant.
    some: bool,
}

/// What a Dockerfile sees, by path in the context; the empty path is all of it.
pub(crate) type Picks<'a> = BTreeMap<String, Picked<'a>>;

impl Visible {
    pub(crate) fn add(&mut self, pattern: Pattern) {
        if let Self::Only(patterns) = self {
            if pattern.fixed.is_empty() && pattern.wild.is_empty() {
                *self = Self::Everything;
            } else {
                patterns.insert(pattern);
            }
        }
    }

    /// What one of the two sees.
    pub(crate) fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(mut all), Self::Only(more)) => {
                all.extend(more);
                Self::Only(all)
            }
            _ => Self::Everything,
        }
    }

    /// The `.git` that is seen, if there is any; one that is named rather than another.
    pub(crate) fn of_git(&self, tree: &Tree) -> Option<OfGit> {
        if !tree.any_git {
            return None;
        }
        let among = |path| OfGit { named: false, path };
        match self {
            Self::Everything => tree.first_git().map(among),
            Self::Only(patterns) => patterns
                .iter()
                .filter_map(|pattern| pattern.of_git(tree))
                .max(),
        }
    }

    /// Says which parts of the context must be looked at.
    pub(crate) fn want(&self, wanted: &mut Wanted) {
        match self {
            Self::Everything => wanted.everything(),
            Self::Only(patterns) => {
                for pattern in patterns {
                    wanted.add(pattern.fixed.iter().map(String::as_str));
                }
            }
        }
    }

    /// Finds it. `None` if there is a link on the way, which may lead anywhere in the context.
    pub(crate) fn pick<'t>(&self, tree: &'t Tree) -> Option<Picks<'t>> {
        match self {
            Self::Everything => Some(BTreeMap::from([(String::new(), Picked::Folder(tree))])),
            Self::Only(patterns) => {
                let mut picks = BTreeMap::new();
                for pattern in patterns {
                    pattern.pick(tree, &mut picks)?;
                }
                Some(picks)
            }
        }
    }
}

impl Pattern {
    /// A source of `COPY` or `ADD`. `deep`: `--parents`, by which wildcards mean more.
    pub(crate) fn of_copy(path: &str, deep: bool) -> Self {
        let mut fixed = clean(path);
        let wild = fixed.iter().position(|part| part.contains(['*', '?', '[']));
        let wild = wild.map_or(Vec::new(), |at| fixed.split_off(at));
        let simple = |part: &String| !part.contains("**") && !part.contains('[');
        match !deep && wild.iter().all(simple) {
            true => Self {
                fixed,
                wild,
                some: false,
            },
            // Then the whole folder counts.
            false => Self {
                fixed,
                wild: Vec::new(),
                some: true,
            },
        }
    }

    /// The source of a bind mount, in which nothing is special.
    pub(crate) fn of_mount(path: &str) -> Self {
        Self {
            fixed: clean(path),
            wild: Vec::new(),
            some: false,
        }
    }

    fn of_git(&self, tree: &Tree) -> Option<OfGit> {
        let mut at = tree;
        for part in &self.fixed {
            if part == GIT {
                let path = at.path().join(GIT);
                return at.git.then_some(OfGit { named: true, path });
            }
            match at.get(OsStr::new(part)) {
                Some(Picked::Folder(folder)) => at = folder,
                _ => return None,
            }
        }
        let path = wild_git(at, &self.wild)?;
        Some(OfGit { named: false, path })
    }

    fn pick<'t>(&self, tree: &'t Tree, picks: &mut Picks<'t>) -> Option<()> {
        let mut at = Picked::Folder(tree);
        for part in &self.fixed {
            let Picked::Folder(folder) = at else {
                return Some(());
            };
            match folder.get(OsStr::new(part)) {
                Some(Picked::File(FileMode::Link, _)) => return None,
                Some(next) => at = next,
                None => return Some(()),
            }
        }
        if self.some && has_link(at) {
            return None;
        }
        pick_wild(&self.fixed.join("/"), at, &self.wild, picks)
    }
}

#[cfg(test)]
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<&str> = self
            .fixed
            .iter()
            .chain(&self.wild)
            .map(String::as_str)
            .collect();
        f.write_str(&parts.join("/"))
    }
}

/// The first `.git` among what matches.
fn wild_git(at: &Tree, wild: &[String]) -> Option<PathBuf> {
    let Some((pattern, rest)) = wild.split_first() else {
        return at.first_git();
    };
    if at.git && matches(pattern, GIT) {
        return Some(at.path().join(GIT));
    }
    at.children().find_map(|(name, next)| match next {
        Picked::Folder(folder) if name.to_str().is_none_or(|name| matches(pattern, name)) => {
            wild_git(folder, rest)
        }
        _ => None,
    })
}

fn has_link(at: Picked<'_>) -> bool {
    match at {
        Picked::File(mode, _) => mode == FileMode::Link,
        Picked::Folder(folder) => folder.children().any(|(_, inside)| has_link(inside)),
    }
}

fn pick_wild<'t>(path: &str, at: Picked<'t>, wild: &[String], picks: &mut Picks<'t>) -> Option<()> {
    let Some((pattern, rest)) = wild.split_first() else {
        picks.insert(path.to_owned(), at);
        return Some(());
    };
    let Picked::Folder(folder) = at else {
        return Some(());
    };
    for (name, next) in folder.children() {
        // What is no text is not told apart from what matches.
        if !name.to_str().is_none_or(|name| matches(pattern, name)) {
            continue;
        }
        if let Picked::File(FileMode::Link, _) = next {
            return None;
        }
        let path = match path {
            "" => name.to_string_lossy().into_owned(),
            path => format!("{path}/{}", name.to_string_lossy()),
        };
        pick_wild(&path, next, rest, picks)?;
    }
    Some(())
}

/// Go's `filepath.Match` on one name, for `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where the last `*` is, and from where it may take one character more.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The parts of a path; nothing lies above the root of the context.
fn clean(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part.to_owned()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_go() {
        for (pattern, name, expected) in [
            ("*.py", "a.py", true),
            ("*.py", ".py", true),
            ("*.py", "a.pyc", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("?", "é", true),
            ("a?", "a", false),
            ("**", "x", true),
            ("x", "x", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
