//! What the branches of the environments pin and have pinned.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::try_join_all;
use modal_deploy::Processor;
use modal_deploy::audit::Pins;
use promotion::Standing;
use promotion::board::Past;
use registry_model::{Environment, Platform, ProcessorRef, Registry};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::args::ViewArgs;
use super::super::context::{filled, load_options, platforms};
use super::super::history::History;
use super::super::tree;

use crate::config::Config;
use crate::ui::Failure;

/// One environment, as its branch in the clone has it.
pub(super) struct Branch {
    /// What it pins, of the processors that are wanted.
    pub(super) standing: Standing,
    /// All of it, as Modal is to have it.
    pub(super) pins: Pins,
    /// Its `pipeline.yml`.
    pub(super) config: Config,
    /// Its files.
    pub(super) folder: TempDir,
    /// Whether only some processors are wanted.
    pub(super) is_narrowed: bool,
}

/// Reads the branch of each environment.
pub(super) async fn branches(
    view: &ViewArgs,
    environments: &[Environment],
    cancel: &CancellationToken,
) -> Result<Vec<Branch>, Failure> {
    let read = environments
        .iter()
        .map(|one| read(&view.repo.repo, one, cancel));
    let read = try_join_all(read).await?;
    let chosen = chosen(&filled(&view.repo.processors), &read)?;
    let branches = read
        .into_iter()
        .map(|(environment, commit, config, folder, registry)| {
            let platform = Platform::linux_amd64();
            let entries = registry.entries.iter();
            let pins = Pins {
                environment: environment.clone(),
                processors: entries
                    .map(|entry| Processor::from_entry(entry, &platform))
                    .collect(),
            };
            let mut standing =
                Standing::of_entries(environment, commit, &registry.entries, &platforms(&config));
            if let Some(chosen) = &chosen {
                standing = standing.only(chosen);
            }
            Branch {
                standing,
                pins,
                config,
                folder,
                is_narrowed: chosen.is_some(),
            }
        });
    Ok(branches.collect())
}

/// What the branch of an environment pins.
pub(in super::super) async fn standing(
    repo: &Path,
    environment: &Environment,
    cancel: &CancellationToken,
) -> Result<Standing, Failure> {
    let (environment, commit, config, _, registry) = read(repo, environment, cancel).await?;
    let platforms = platforms(&config);
    Ok(Standing::of_entries(
        environment,
        commit,
        &registry.entries,
        &platforms,
    ))
}

/// The history of each branch.
pub(super) async fn pasts(
    repo: &Path,
    branches: &[Branch],
    cancel: &CancellationToken,
) -> Result<Vec<Past>, Failure> {
    let read = branches.iter().map(async |branch| {
        let read = History::read(repo, branch.standing.commit.as_str(), cancel).await;
        read.map(History::into_past)
    });
    try_join_all(read).await
}

type Read = (Environment, github::CommitSha, Config, TempDir, Registry);

async fn read(
    repo: &Path,
    environment: &Environment,
    cancel: &CancellationToken,
) -> Result<Read, Failure> {
    let commit = tree::commit_of(repo, environment.as_str(), cancel).await?;
    let folder = tree::at(repo, &commit, cancel).await?;
    let config = Config::load(folder.path())?;
    let registry = Registry::load(folder.path(), &load_options(&config))?;
    Ok((
        environment.clone(),
        commit.parse()?,
        config,
        folder,
        registry,
    ))
}

/// The processors of these names, on whichever branch; none when no name is given.
fn chosen(names: &[String], read: &[Read]) -> Result<Option<BTreeSet<ProcessorRef>>, Failure> {
    let Some((.., first)) = read.first().filter(|_| !names.is_empty()) else {
        return Ok(None);
    };
    let mut all = first.clone();
    for (.., registry) in &read[1..] {
        all.entries.extend(registry.entries.iter().cloned());
    }
    let chosen = all.select(names)?.into_iter();
    Ok(Some(chosen.map(|entry| entry.reference.clone()).collect()))
}
