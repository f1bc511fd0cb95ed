use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use github::{CommitSha, Repo};
use promotion::Standing;
use registry_model::{
    Digest, Entry, Environment, LoadOptions, Pin, PinState, Platform, ProcessorRef, Registry,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::context::{load_options, platforms};
use super::super::tree;
use crate::config::Config;
use crate::exit::Exit;
use crate::ui::Failure;

/// One of the two environments, as its branch has it.
pub(super) struct Side {
    pub(super) standing: Standing,
    /// The platforms whose pins are in it.
    pub(super) counted: Vec<Platform>,
    pub(super) config: Config,
    pub(super) registry: Registry,
    /// Its files.
    pub(super) folder: TempDir,
}

impl Side {
    /// What the branches of two environments have now. Both count the pins of all platforms that
    /// either of them builds, and of the one that Modal runs: otherwise the source could keep a pin
    /// out of sight by not naming its platform.
    pub(super) async fn both(
        clone: &Path,
        repo: &Repo,
        (from, to): (&Environment, &Environment),
        cancel: &CancellationToken,
    ) -> Result<(Self, Self), Failure> {
        // One after the other: two fetches into one clone can meet at a lock.
        let from = Self::read(clone, repo, from, cancel).await?;
        let to = Self::read(clone, repo, to, cancel).await?;
        let mut counted = platforms(&to.config);
        counted.extend(platforms(&from.config));
        counted.push(Platform::linux_amd64());
        Ok((from.counting(&counted), to.counting(&counted)))
    }

    /// The same, with the pins for these platforms.
    pub(super) fn counting(mut self, counted: &[Platform]) -> Self {
        let Standing {
            environment,
            commit,
            ..
        } = self.standing;
        self.standing = Standing::of_entries(environment, commit, &self.registry.entries, counted);
        self.counted = counted.to_vec();
        self
    }

    /// What the branch of an environment has, at the commit that GitHub has now.
    async fn read(
        clone: &Path,
        repo: &Repo,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<Self, Failure> {
        let branch = environment.as_str();
        let commit = repo.branch_head(branch).await?.ok_or_else(|| {
            let text = format!("find branch `{branch}` of {}", repo.name());
            Failure::new(Exit::Input, text).with_hint(Some(format!(
                "an environment is a branch of its name; create `{branch}`"
            )))
        })?;
        Self::at(clone, environment, commit, cancel).await
    }

    /// What it has at a commit of its branch.
    pub(super) async fn at(
        clone: &Path,
        environment: &Environment,
        commit: CommitSha,
        cancel: &CancellationToken,
    ) -> Result<Self, Failure> {
        let folder = tree::of_branch(clone, environment.as_str(), commit.as_str(), cancel).await?;
        Self::of(folder, environment, commit)
    }

    /// What is in a folder.
    pub(super) fn of(
        folder: TempDir,
        environment: &Environment,
        commit: CommitSha,
    ) -> Result<Self, Failure> {
        let config = Config::load(folder.path())?;
        let registry = Registry::load(folder.path(), &load_options(&config))?;
        let counted = platforms(&config);
        let standing =
            Standing::of_entries(environment.clone(), commit, &registry.entries, &counted);
        Ok(Self {
            standing,
            counted,
            config,
            registry,
            folder,
        })
    }

    /// The processors that are named; `None` when none is, which means all.
    pub(super) fn chosen(
        &self,
        wanted: &[String],
    ) -> Result<Option<BTreeSet<ProcessorRef>>, Failure> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let entries = self.registry.select(wanted)?;
        let references = entries.iter().map(|entry| entry.reference.clone());
        Ok(Some(references.collect()))
    }

    /// The entries of these processors.
    pub(super) fn entries<'a>(
        &'a self,
        wanted: &'a BTreeSet<&ProcessorRef>,
    ) -> impl Iterator<Item = &'a Entry> {
        let all = self.registry.entries.iter();
        all.filter(|entry| wanted.contains(&entry.reference))
    }

    /// All that is in its registry files, disabled ones too, and in those that the other side names.
    fn every_entry(&self, other: &Self) -> Result<Vec<Entry>, Failure> {
        let (own, theirs) = (load_options(&self.config), load_options(&other.config));
        if own.globs == theirs.globs {
            return Ok(self.registry.entries.clone());
        }
        let globs: Vec<String> = own.globs.into_iter().chain(theirs.globs).collect();
        let options = LoadOptions::new(globs, own.context);
        Ok(Registry::load(self.folder.path(), &options)?.entries)
    }

    /// That a deploy here will not take what goes against the rules.
    pub(super) fn refuses_bypass(&self) -> Option<String> {
        let environment = &self.standing.environment;
        let required = self.config.required(environment);
        if required.is_empty() || self.config.receipts.accept_bypass {
            return None;
        }
        let required: Vec<String> = required.iter().map(|it| format!("`{it}`")).collect();
        Some(format!(
            "a deploy to {environment} asks for {}, and will refuse what was let in against the \
             rules; `receipts.accept-bypass: true` of pipeline.yml lets it through",
            required.join(", ")
        ))
    }
}

/// The images that a merge of all that `from` has would bring, and that no plan shows: `from` has
/// disabled them, does not name their files or platforms, and `to` pins others in their places.
pub(super) fn hidden(
    from: &Side,
    to: &Side,
) -> Result<BTreeMap<ProcessorRef, BTreeSet<Digest>>, Failure> {
    let (there, here) = (from.every_entry(to)?, to.every_entry(from)?);
    let mut hidden: BTreeMap<ProcessorRef, BTreeSet<Digest>> = BTreeMap::new();
    for entry in &there {
        let mut same = here.iter().filter(|it| it.reference == entry.reference);
        let Some(other) = same.next() else { continue };
        for pin in &entry.pins {
            let is_shown = from.standing.image(&entry.reference, &pin.place).is_some();
            let mut old = other.pins.iter().filter(|it| it.place == pin.place);
            if let (false, PinState::Pinned(image)) = (is_shown, &pin.state)
                && let Some(Pin {
                    state: PinState::Pinned(old),
                    ..
                }) = old.next()
                && old.digest != image.digest
            {
                let digests = hidden.entry(entry.reference.clone()).or_default();
                digests.insert(image.digest.clone());
            }
        }
    }
    Ok(hidden)
}

/// Whether a part is the same in both.
type IsSame = fn(&Config, &Config) -> bool;

/// The rules of `to` that a merge of all that `from` has would change: what `from` has otherwise,
/// and has changed since both had the same.
pub(super) async fn rules_changed(
    clone: &Path,
    from: &Side,
    to: &Side,
    cancel: &CancellationToken,
) -> Result<Vec<String>, Failure> {
    let (source, target) = (&from.standing.commit, &to.standing.commit);
    let base = tree::merge_base(clone, source.as_str(), target.as_str(), cancel).await?;
    let base = match base {
        Some(base) if base == source.as_str() => return Ok(Vec::new()),
        Some(base) => Some(tree::at(clone, &base, cancel).await?),
        None => None,
    };
    // What cannot be read was not the same.
    let base = base.as_ref().map(TempDir::path);
    let before = base.and_then(|folder| Config::load(folder).ok());
    let parts: [(&str, IsSame); 4] = [
        ("promotion", |one, other| one.promotion == other.promotion),
        ("receipts", |one, other| one.receipts == other.receipts),
        ("modal.require", |one, other| {
            one.modal.require == other.modal.require
        }),
        ("environments", |one, other| {
            one.environments() == other.environments()
        }),
    ];
    let changed = parts.into_iter().filter(|(_, is_same)| {
        let kept = before.as_ref().is_some_and(|it| is_same(it, &from.config));
        !is_same(&from.config, &to.config) && !kept
    });
    let mut changed: Vec<String> = changed
        .map(|(name, _)| format!("`{name}` of pipeline.yml"))
        .collect();
    let keys = from.config.receipts.keys.iter();
    let keys: BTreeSet<&PathBuf> = keys.chain(&to.config.receipts.keys).collect();
    for key in keys {
        let bytes = |folder: &Path| std::fs::read(folder.join(key)).ok();
        let new = bytes(from.folder.path());
        let kept = base.is_some_and(|folder| bytes(folder) == new);
        if new != bytes(to.folder.path()) && !kept {
            changed.push(format!("the key `{}`", key.display()));
        }
    }
    Ok(changed)
}
