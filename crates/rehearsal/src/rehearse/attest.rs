//! What each stage proves goes beside the images, signed, and the next stage asks for it: the way of
//! `pipeline attest`, with a key that nobody else has.

use std::collections::BTreeMap;

use modal_deploy::gate::Gate;
use promotion::{Evidence, PromotionPlan, Rules};
use receipts::Store;
use receipts::keys::SigningKey;
use receipts::statement::{Draft, Facts, Kind};
use receipts::verify::{Policy, Requirement, Verdict};
use registry_model::{Environment, PinnedImage};
use tokio_util::sync::CancellationToken;

use super::RehearseError;

/// Who signs in a rehearsal.
const NAME: &str = "pipeline rehearse";

/// Writes receipts and judges them.
pub(super) struct Notary {
    store: Store,
    key: SigningKey,
    policy: Policy,
}

/// What a repository can prove, and what is therefore asked of its images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Every image was accepted.
    pub(super) acceptance: bool,
    /// There is an app.
    pub(super) deployment: bool,
}

impl Notary {
    pub(super) fn new(images: &oci::Client) -> Result<Self, RehearseError> {
        let key = SigningKey::generate()?;
        let policy = Policy {
            keys: vec![key.verifying_key().clone()],
            ..Policy::default()
        };
        Ok(Self {
            store: Store::new(images.clone()),
            key,
            policy,
        })
    }

    /// What is said of everything that was done at this commit.
    pub(super) fn facts(commit: String) -> Facts {
        Facts {
            by: Some(NAME.to_owned()),
            commit: Some(commit),
            ..Facts::default()
        }
    }

    /// Stores receipts, and says how many.
    pub(super) async fn attest(
        &self,
        drafts: &[Draft],
        cancel: &CancellationToken,
    ) -> Result<usize, RehearseError> {
        let stored = self.store.add_many(drafts, Some(&self.key), cancel).await;
        let stored: Vec<_> = stored.into_iter().collect::<Result<_, _>>()?;
        Ok(stored.len())
    }

    /// What lies beside each image, judged.
    pub(super) async fn judge(
        &self,
        images: &[PinnedImage],
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<PinnedImage, Vec<Verdict>>, RehearseError> {
        let judged = self.store.judge_many(images, &self.policy, cancel).await;
        let judged = images.iter().cloned().zip(judged);
        let judged = judged.map(|(image, verdicts)| Ok((image, verdicts?)));
        judged.collect()
    }

    /// Lets nothing be deployed to `environment` that has not come by way of `from`.
    pub(super) fn gate(
        &self,
        asked: Asked,
        from: Option<&Environment>,
        environment: &Environment,
    ) -> Gate {
        let mut require = asked.here(Kind::Acceptance, None);
        if let Some(from) = from {
            require.extend(asked.here(Kind::Deployment, Some(from)));
            require.extend(asked.here(Kind::Promotion, Some(environment)));
        }
        Gate {
            store: self.store.clone(),
            policy: self.policy.clone(),
            require,
            accept_bypass: false,
        }
    }

    /// Lets nothing go on that was not accepted and deployed where it comes from.
    pub(super) async fn admit(
        &self,
        asked: Asked,
        plan: &PromotionPlan,
        cancel: &CancellationToken,
    ) -> Result<Vec<promotion::Admission>, RehearseError> {
        let moved = plan
            .comparisons
            .iter()
            .filter_map(|one| one.change.target());
        let mut images: Vec<PinnedImage> = moved.cloned().collect();
        images.sort_unstable();
        images.dedup();
        let judged = self.judge(&images, cancel).await?;
        let evidence = Evidence {
            judged: judged
                .into_iter()
                .map(|(image, it)| (image, Ok(it)))
                .collect(),
            ..Evidence::default()
        };
        let mut rules = Rules::usual(&plan.from);
        rules.require.retain(|required| asked.has(required.kind));
        Ok(promotion::gate(plan, &rules, &evidence))
    }
}

impl Asked {
    fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Acceptance => self.acceptance,
            Kind::Deployment => self.deployment,
            Kind::Build | Kind::Promotion => true,
        }
    }

    fn here(self, kind: Kind, environment: Option<&Environment>) -> Vec<Requirement> {
        let requirement = Requirement {
            kind,
            environment: environment.cloned(),
        };
        self.has(kind).then_some(requirement).into_iter().collect()
    }

    /// What an image must have proven that runs in `environment`, by way of others or not.
    pub(super) fn of_live(self, environment: &Environment, promoted: bool) -> Vec<Requirement> {
        let mut all = self.here(Kind::Build, None);
        all.extend(self.here(Kind::Acceptance, None));
        if promoted {
            all.extend(self.here(Kind::Promotion, Some(environment)));
        }
        all.extend(self.here(Kind::Deployment, Some(environment)));
        all
    }
}
