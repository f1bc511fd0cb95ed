use std::collections::BTreeMap;
use std::path::Path;

use image_factory::plan::PlanOptions;
use receipts::statement::{Draft, Facts};
use registry_model::{Environment, Registry};
use tokio_util::sync::CancellationToken;

use super::attest::Notary;
use super::run::repository_name;
use super::scratch::Scratch;
use super::servers::Servers;
use super::{RehearseError, RehearseOptions};

/// What every stage of one rehearsal works with.
pub(super) struct Scene<'a> {
    pub(super) options: &'a RehearseOptions,
    /// The environment whose branch gets the pins.
    pub(super) first: &'a Environment,
    pub(super) scratch: &'a Scratch,
    pub(super) servers: &'a Servers,
    /// Signs what the stages prove.
    pub(super) notary: Notary,
    /// `base-images`, with those that only the engine has brought to the registry.
    pub(super) base_images: BTreeMap<String, String>,
    pub(super) cancel: &'a CancellationToken,
}

impl Scene<'_> {
    /// The working tree.
    pub(super) fn root(&self) -> &Path {
        self.scratch.root()
    }

    /// Makes the working tree what the environment's branch is now, and reads its registry files.
    pub(super) async fn at(&self, environment: &Environment) -> Result<Registry, RehearseError> {
        self.scratch
            .sync(&self.servers.git_dir(), environment.as_str(), self.cancel)
            .await?;
        Ok(Registry::load(self.root(), &self.options.registry)?)
    }

    /// Stores what `receipts` makes of these facts, and says how many that are.
    pub(super) async fn attest(
        &self,
        receipts: impl FnOnce(&Facts) -> Vec<Draft>,
    ) -> Result<usize, RehearseError> {
        let facts = Notary::facts(self.scratch.head(self.cancel).await?);
        self.notary.attest(&receipts(&facts), self.cancel).await
    }

    /// How to plan, so that everything goes to the registry of the rehearsal.
    pub(super) fn plan_options(&self) -> PlanOptions {
        let mut planning = PlanOptions::new(self.root());
        // The registry is replaced below; the path is what counts.
        let name = repository_name(&self.options.repository);
        let default = || format!("ghcr.io/rehearsal/{name}");
        let prefix = self.options.image_prefix.clone();
        planning.image_prefix = Some(prefix.unwrap_or_else(default));
        planning.registry_host = Some(self.servers.registry.host());
        planning.platforms = self.options.platforms.clone();
        planning.base_images = self.base_images.clone();
        planning
    }
}
