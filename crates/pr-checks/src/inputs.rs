//! What the result of a check depends on, as one key: its files, its programs, and itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globset::GlobSet;
use process::Command;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::order::{from_root, globs, ordered};
use crate::versions::Versions;
use crate::{Changes, Check, CheckName, ChecksError, Facts, Options, cache, hash};

/// What programs leave behind, which may not be in `.gitignore`.
const LEFT_BEHIND: [&str; 3] = ["__pycache__", ".coverage", ".DS_Store"];

/// What a check depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// All of it.
    pub(crate) all: String,
    /// The files alone: what may change while it runs.
    pub(crate) files: String,
}

/// Finds out what a plan needs: what each check depends on, and what it said of just that.
///
/// Where that cannot be known, for one because the folder is no work tree of git, nothing is
/// reused.
///
/// # Errors
/// When the checks make no sense, as for [`plan`](crate::plan), and on cancellation.
pub async fn observe(
    checks: &[Check],
    changes: Option<Changes>,
    options: &Options,
    cancel: &CancellationToken,
) -> Result<Facts, ChecksError> {
    let order = ordered(checks)?;
    let mut facts = Facts::new(changes);
    let Some(folder) = &options.cache else {
        return Ok(facts);
    };
    let files = file_keys(checks, &options.root, cancel).await?;
    let versions = Versions::ask(checks, options, cancel).await?;
    for check in order {
        if let Some(seconds) = cache::last_seconds(folder, &check.name) {
            facts.seconds.insert(check.name.clone(), seconds);
        }
        let Some(files) = files.get(&check.name) else {
            continue;
        };
        let Some(keys) = keys(check, files, &versions, &facts) else {
            continue;
        };
        if let Some(kept) = cache::load(folder, &check.name, &keys.all) {
            facts.kept.insert(check.name.clone(), kept);
        }
        facts.keys.insert(check.name.clone(), keys);
    }
    Ok(facts)
}

/// None when something that it depends on is not known.
fn keys(check: &Check, files: &str, versions: &Versions, facts: &Facts) -> Option<Keys> {
    let mut all = Sha256::new();
    let mut part = |text: &str| {
        all.update((text.len() as u64).to_le_bytes());
        all.update(text);
    };
    part(env!("CARGO_PKG_VERSION"));
    part(std::env::consts::OS);
    part(std::env::consts::ARCH);
    part(&serde_json::to_string(check).ok()?);
    part(files);
    for version in versions.of(check)? {
        part(version);
    }
    for need in &check.needs {
        part(&facts.keys.get(need)?.all);
    }
    if check.parser.looks_at_changes() {
        let lines = facts.changes.as_ref().map(|changes| &changes.lines);
        part(&serde_json::to_string(&lines).ok()?);
    }
    Some(Keys {
        all: hex::encode(all.finalize()),
        files: files.to_owned(),
    })
}

/// A key for the files of each check that names some. None has one when git does not answer.
pub(crate) async fn file_keys(
    checks: &[Check],
    root: &Path,
    cancel: &CancellationToken,
) -> Result<BTreeMap<CheckName, String>, ChecksError> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .run(cancel)
        .await;
    let listed = match listed {
        Ok(output) => output.stdout,
        Err(error) if error.is_cancelled() => return Err(ChecksError::Cancelled),
        Err(error) => {
            tracing::warn!("nothing is reused: git does not tell the files: {error}");
            return Ok(BTreeMap::new());
        }
    };
    let reports: BTreeSet<String> = checks
        .iter()
        .flat_map(|check| {
            let reports = check.parser.reports();
            let paths = reports
                .into_iter()
                .filter_map(|path| from_root(check, path));
            paths.collect::<Vec<_>>()
        })
        .collect();
    let files: BTreeSet<String> = listed
        .split(|byte| *byte == 0)
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| !name.is_empty() && !reports.contains(*name) && is_source(name))
        .map(str::to_owned)
        .collect();
    let mut chosen = Vec::new();
    for check in checks.iter().filter(|check| names_files(check)) {
        let sets = [globs(check, &check.paths)?, globs(check, &check.inputs)?];
        chosen.push((check.name.clone(), sets));
    }
    let (root, cancel) = (root.to_path_buf(), cancel.clone());
    tokio::task::spawn_blocking(move || hashed(&chosen, &files, &root, &cancel))
        .await
        .map_err(|_| ChecksError::Cancelled)?
}

fn names_files(check: &Check) -> bool {
    !(check.paths.is_empty() && check.inputs.is_empty())
}

fn is_source(name: &str) -> bool {
    !name.ends_with(".pyc") && !name.split('/').any(|part| LEFT_BEHIND.contains(&part))
}

/// Each file is read once, whoever looks at it.
fn hashed(
    chosen: &[(CheckName, [GlobSet; 2])],
    files: &BTreeSet<String>,
    root: &Path,
    cancel: &CancellationToken,
) -> Result<BTreeMap<CheckName, String>, ChecksError> {
    let mut all: Vec<(&CheckName, Option<Sha256>)> = chosen
        .iter()
        .map(|(name, _)| (name, Some(Sha256::new())))
        .collect();
    for file in files {
        if cancel.is_cancelled() {
            return Err(ChecksError::Cancelled);
        }
        let looks = |sets: &[GlobSet; 2]| sets.iter().any(|set| set.is_match(file));
        let looking: Vec<usize> = (0..chosen.len())
            .filter(|at| looks(&chosen[*at].1))
            .collect();
        if looking.is_empty() {
            continue;
        }
        let content = hash::file(&PathBuf::from(root).join(file));
        for at in looking {
            all[at].1 = match (all[at].1.take(), &content) {
                (Some(mut so_far), Some(content)) => {
                    so_far.update((file.len() as u64).to_le_bytes());
                    so_far.update(file);
                    so_far.update(content);
                    Some(so_far)
                }
                // What cannot be read cannot be compared.
                _ => None,
            };
        }
    }
    let known = |(name, key): (&CheckName, Option<Sha256>)| {
        Some((name.clone(), hex::encode(key?.finalize())))
    };
    Ok(all.into_iter().filter_map(known).collect())
}
