//! How records differ.

use std::borrow::Cow;
use std::collections::BTreeMap;

use registry_model::Platform;

use super::InputsRecord;
use crate::plan::changes::InputChange;
use crate::plan::folded::alike;

impl InputsRecord {
    /// Whether the files of both are known to be the same.
    pub(crate) fn has_files_of(&self, other: &Self) -> bool {
        !self.context_sha256.is_empty() && self.context_sha256 == other.context_sha256
    }

    /// How `new` differs, the most telling first: what people edit, then what they set, then what
    /// moved by itself.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Vec<InputChange> {
        let mut changes = Vec::new();
        if self.dockerfile_sha256 != new.dockerfile_sha256 || self.dockerfile != new.dockerfile {
            changes.push(InputChange::Modified(new.dockerfile.clone()));
        }
        let dockerfile = changes.first().cloned();
        let (old_files, new_files) = match self.has_files_of(new) {
            true => (Cow::default(), Cow::default()),
            false => alike(&self.files, &new.files),
        };
        for (path, from, to) in differences(&old_files, &new_files) {
            let in_new = new.context.join(path);
            let change = match (from, to) {
                (_, None) => InputChange::Removed(self.context.join(path)),
                (None, _) => InputChange::Added(in_new),
                _ => InputChange::Modified(in_new),
            };
            // The Dockerfile may lie in what it copies.
            if dockerfile.as_ref() != Some(&change) {
                changes.push(change);
            }
        }
        for (name, from, to) in differences(&self.bases, &new.bases) {
            changes.push(InputChange::Base {
                name: name.to_owned(),
                from: from.map(str::to_owned),
                to: to.map(str::to_owned),
            });
        }
        for (name, _, _) in differences(&self.args, &new.args) {
            changes.push(InputChange::Argument(name.to_owned()));
        }
        if self.target != new.target {
            changes.push(InputChange::Target);
        }
        let sorted = |record: &Self| {
            let mut names: Vec<String> = record.platforms.iter().map(Platform::to_string).collect();
            names.sort();
            names
        };
        if sorted(self) != sorted(new) {
            changes.push(InputChange::Platforms);
        }
        for (name, _, _) in differences(&self.settings, &new.settings) {
            changes.push(InputChange::Setting(name.to_owned()));
        }
        changes
    }
}

/// What is not the same in both, by name.
fn differences<'a>(
    old: &'a BTreeMap<String, String>,
    new: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a str, Option<&'a str>, Option<&'a str>)> {
    let gone_or_other = old
        .iter()
        .map(|(name, from)| (name, Some(from), new.get(name)));
    let added = new
        .iter()
        .filter(|(name, _)| !old.contains_key(*name))
        .map(|(name, to)| (name, None, Some(to)));
    gone_or_other
        .chain(added)
        .filter(|(_, from, to)| from != to)
        .map(|(name, from, to)| {
            (
                name.as_str(),
                from.map(String::as_str),
                to.map(String::as_str),
            )
        })
}
