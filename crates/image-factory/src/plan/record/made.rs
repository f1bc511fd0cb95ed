//! From a plan to records.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{InputsRecord, SCHEMA};
use crate::plan::evidence::Evidence;
use crate::plan::key;
use crate::plan::model::{BuildPlan, ImageSettings, Planned};
use crate::plan::tree::Picked;

/// A value that must not be told: equal hashes of equal values, and no list of hashes of common
/// values fits all names.
pub(super) fn hidden(name: &str, value: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{}:{name}", name.len()));
    hash.update(value);
    hex::encode(hash.finalize())
}

impl BuildPlan {
    /// What the image of an item follows from. `None` if the plan was read from a file: then the
    /// files were seen by another process.
    #[must_use]
    pub fn record(&self, item: &Planned) -> Option<InputsRecord> {
        record(&self.evidence, item, &self.settings)
    }
}

pub(crate) fn record(
    evidence: &Evidence,
    item: &Planned,
    settings: &ImageSettings,
) -> Option<InputsRecord> {
    let (made, tree) = evidence.of(&item.key)?;
    let mut outline = outline(evidence, item, settings)?;
    let mut files = BTreeMap::new();
    let mut add = |path: &Path, mode: &str, id: &dyn std::fmt::Display| {
        files.insert(path.to_string_lossy().into_owned(), format!("{mode} {id}"));
    };
    for path in &made.sees {
        match tree.at(path) {
            Some(Picked::File(mode, id)) => add(Path::new(path), mode.text(), &id),
            Some(Picked::Folder(folder)) => folder.files(&mut |file, mode, id| {
                // Two processors with one key may have their contexts in two places.
                let inside = file.strip_prefix(tree.path()).unwrap_or(&file);
                add(inside, mode.text(), &id);
            }),
            None => {}
        }
    }
    outline.files = files;
    Some(outline)
}

/// The same without the files.
pub(crate) fn outline(
    evidence: &Evidence,
    item: &Planned,
    settings: &ImageSettings,
) -> Option<InputsRecord> {
    let (made, _) = evidence.of(&item.key)?;
    let hide = |(name, value): (&String, &String)| (name.clone(), hidden(name, value));
    Some(InputsRecord {
        schema: SCHEMA,
        key: item.key.clone(),
        dockerfile: item.dockerfile.clone(),
        dockerfile_sha256: hex::encode(made.dockerfile),
        context: item.context.clone(),
        context_sha256: hex::encode(made.context),
        files: BTreeMap::new(),
        args: item
            .args
            .iter()
            .map(|(name, value)| hide((name, value)))
            .collect(),
        target: item.target.clone(),
        platforms: item.platforms.clone(),
        bases: item
            .base_images
            .iter()
            .map(|base| (base.told_apart(), base.exact()))
            .collect(),
        settings: key::settings(settings).iter().map(hide).collect(),
    })
}
