use std::collections::BTreeSet;
use std::path::Path;

use github::{CommitSha, Repo};
use promotion::Standing;
use registry_model::{Entry, Environment, ProcessorRef, Registry};
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
    pub(super) config: Config,
    pub(super) registry: Registry,
    /// Its files.
    pub(super) folder: TempDir,
}

impl Side {
    /// What the branch of an environment has, at the commit that GitHub has now.
    pub(super) async fn read(
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
        let standing = Standing::of_entries(
            environment.clone(),
            commit,
            &registry.entries,
            &platforms(&config),
        );
        Ok(Self {
            standing,
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
