use std::collections::{BTreeMap, BTreeSet};

use registry_model::FunctionName;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::app_file::AppFile;
use super::code::code_hash;
use super::ledger::Ledger;
use super::plan::{DeployPlan, PlannedApp};
use super::prints::{Prints, Shared};
use super::steps::{AppStep, Found, Rules, Step, Steps, steps};
use super::{ModalCli, RunOptions, found, log};
use crate::client::{AppState, StoredSecret};
use crate::fingerprint::FingerprintKey;
use crate::record::{Change, Mark, RECORD_SECRET, Record};
use crate::secrets::{self, SecretPlan, SyncReport};
use crate::{Control, ModalError};

/// What a caller wants of one environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) control: &'a Control,
    pub(crate) plan: &'a DeployPlan,
    pub(crate) secrets: &'a SecretPlan,
    pub(crate) options: &'a RunOptions,
    pub(crate) cancel: &'a CancellationToken,
}

/// A run, from the decision what to do to its end.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) order: Order<'a>,
    pub(crate) steps: Steps,
    pub(super) file: AppFile,
    pub(super) shared: Shared,
    pub(super) key: FingerprintKey,
    pub(super) prints: Prints,
    pub(crate) ledger: Ledger<'a>,
    modal: OnceCell<ModalCli>,
    /// What the record had about each app when the run began.
    pub(super) former: Vec<Option<Mark>>,
    exists: bool,
    stored: Vec<StoredSecret>,
}

impl<'a> Work<'a> {
    /// Looks at what there is and decides what to do. Changes nothing.
    pub(crate) async fn decide(order: Order<'a>) -> Result<Self, ModalError> {
        let Order {
            control,
            plan,
            secrets,
            options,
            cancel,
        } = order;
        let deploying = &options.deploy;
        let file = AppFile::find(&deploying.repository, &deploying.app_file)?;
        let code = {
            let (root, globs) = (deploying.repository.clone(), deploying.code.clone());
            let file = file.clone();
            let hashing =
                tokio::task::spawn_blocking(move || code_hash(&root, &file, globs.as_deref()));
            hashing.await.unwrap_or_else(|error| {
                let problem = error.to_string();
                Err(ModalError::Code { problem })
            })?
        };
        let create = options.create_environment;
        let environment = found::environment(control, &plan.environment, create, cancel).await?;
        let found = match &environment {
            Some(_) => found::find(control, plan, cancel).await?,
            None => Found {
                record: Some(Record::default()),
                ..Found::default()
            },
        };
        let has = |name: &String| {
            secrets.secrets.iter().any(|secret| secret.name == *name)
                || found.stored.iter().any(|secret| secret.name == *name)
        };
        let shared = Shared {
            app_file: file.to_string(),
            code,
            image_builder: environment
                .as_ref()
                .and_then(|known| known.image_builder_version.clone()),
            registry_secret: Some(&deploying.registry_secret)
                .filter(|name| has(name))
                .cloned()
                .unwrap_or_default(),
        };
        if found.record.is_none() {
            tracing::warn!(
                "there is no record of what is live, as Modal does not tell the keys of secrets \
                 here: everything is written and deployed"
            );
            if found.stored.iter().any(|one| one.name == RECORD_SECRET) {
                tracing::warn!("what people hold is deployed, too, as holds are in that record");
            }
        }
        let key = FingerprintKey::new(&control.options().token_secret, &plan.environment);
        let prints = Prints::new(plan, secrets, &shared, &key);
        let record = found.record.as_ref();
        let writing = secrets::decide(secrets, record, &found.stored, &key, options.force);
        let rules = Rules {
            force: options.force,
            release: options.release.clone(),
            keep_holds: options.keep_holds,
            smoke: options.smoke.is_some(),
        };
        let steps = steps(plan, writing, &prints, &found, &rules);
        let former = plan.apps.iter().map(|app| record?.mark(&app.app));
        Ok(Self {
            order,
            former: former.collect(),
            steps,
            file,
            shared,
            key,
            prints,
            ledger: Ledger::new(control, &plan.environment, found.record),
            modal: OnceCell::new(),
            exists: environment.is_some(),
            stored: found.stored,
        })
    }

    /// Makes sure that what has to be done can be done; then announces the run and writes the
    /// secrets.
    pub(crate) async fn begin(&mut self) -> Result<SyncReport, ModalError> {
        let Order {
            control,
            plan,
            secrets,
            cancel,
            ..
        } = self.order;
        if self.check().await? && self.exists {
            // That may have taken a while, in which others may have announced themselves.
            drop(self.ledger.refresh(cancel).await?);
        }
        if !self.exists {
            found::create(control, &plan.environment, cancel).await?;
            // Only now it has an image builder, and what is recorded must speak of that.
            let made = found::environment(control, &plan.environment, true, cancel).await?;
            self.shared.image_builder = made.and_then(|made| made.image_builder_version);
            self.prints = Prints::new(plan, secrets, &self.shared, &self.key);
        }
        let some = self.order.options.partial;
        let only = some.then(|| plan.apps.iter().map(|app| app.app.as_str()));
        self.ledger.claim(only, cancel).await?;
        let released: Vec<Change> = self
            .steps
            .apps
            .iter()
            .filter(|step| step.release)
            .map(|step| Change::Release(step.app.clone()))
            .collect();
        self.ledger.write(&released, cancel).await?;
        let record = self.ledger.record_mut();
        let writing = &self.steps.secrets;
        let mut synced =
            secrets::sync(control, secrets, writing, &self.key, record, cancel).await?;
        if let Some(declared) = &self.order.options.declared {
            synced.orphans = secrets::orphans(&self.stored, [declared]);
        }
        self.replace_rollovers().await?;
        Ok(synced)
    }

    /// What would stop a deploy halfway: nothing proven, no program, no image, no place for its
    /// log. `false` when there is none to be stopped.
    async fn check(&self) -> Result<bool, ModalError> {
        if let Some(gate) = &self.order.options.gate {
            // No program is started for what is refused; that an image is missing says more than
            // that its receipts are.
            let proven = gate.check(&self.steps, self.order.cancel);
            let (there, proven) = tokio::join!(self.look_up(), proven);
            there.and(proven)?;
        }
        if self.due().next().is_none() {
            return Ok(false);
        }
        if let Some(folder) = &self.order.options.deploy.logs {
            log::prepare(folder, self.due().map(|app| app.app.as_str()))?;
        }
        match &self.order.options.gate {
            Some(_) => self.modal().await.map(|_| true),
            None => tokio::try_join!(self.modal(), self.look_up()).map(|_| true),
        }
    }

    fn due(&self) -> impl Iterator<Item = &AppStep> {
        let apps = self.steps.apps.iter();
        apps.filter(|app| app.step == Step::Deploy)
    }

    /// Makes sure that the images that are due are in the registry.
    async fn look_up(&self) -> Result<(), ModalError> {
        let Some(registry) = &self.order.options.registry else {
            return Ok(());
        };
        let images: BTreeSet<_> = self.due().map(|app| &app.image).collect();
        let environment = &self.order.plan.environment;
        registry
            .check(environment, &images, self.order.cancel)
            .await
    }

    /// A secret that was written may have become another one, with a new identifier. What is live
    /// knows the old one: new containers are then not enough.
    async fn replace_rollovers(&mut self) -> Result<(), ModalError> {
        if !self.steps.apps.iter().any(|app| app.step == Step::Rollover) {
            return Ok(());
        }
        let Order {
            control,
            plan,
            cancel,
            ..
        } = self.order;
        let now = control.secrets(&plan.environment, cancel).await?;
        let ids = |secrets: &[StoredSecret]| -> BTreeMap<String, String> {
            let pairs = secrets.iter().map(|one| (one.name.clone(), one.id.clone()));
            pairs.collect()
        };
        let (before, now) = (ids(&self.stored), ids(&now));
        for (step, app) in self.steps.apps.iter_mut().zip(&plan.apps) {
            if step.step != Step::Rollover {
                continue;
            }
            for name in &app.tool_secrets {
                if before.get(name) != now.get(name) {
                    step.step = Step::Deploy;
                    step.why = vec![format!("secret `{name}` has another identifier now")];
                }
            }
        }
        Ok(())
    }

    /// The command line, looked for when it is first needed.
    pub(super) async fn modal(&self) -> Result<&ModalCli, ModalError> {
        self.modal
            .get_or_try_init(async || match self.order.control {
                Control::Cli(control) => Ok(control.cli.clone()),
                Control::Native(_) => {
                    let options = &self.order.options.deploy;
                    ModalCli::find(options.modal.as_deref(), self.order.cancel).await
                }
            })
            .await
    }

    pub(super) async fn live(&self, app: &PlannedApp) -> Result<Option<AppState>, ModalError> {
        let Order {
            control,
            plan,
            cancel,
            ..
        } = self.order;
        control.app(&plan.environment, &app.app, cancel).await
    }

    /// The image that the app's function runs in; `None` where nobody can tell.
    pub(super) async fn image_id(&self, app: &PlannedApp, version: Option<u32>) -> Option<String> {
        let Order {
            control,
            plan,
            options,
            cancel,
            ..
        } = self.order;
        let own = app.smoke.as_ref().and_then(|smoke| smoke.function.as_ref());
        let shared = options.smoke.as_ref();
        let function = own.or_else(|| shared.and_then(|smoke| smoke.function.as_ref()));
        let function = function.map_or("smoke", FunctionName::as_str);
        control
            .image_id(&plan.environment, &app.app, function, version, cancel)
            .await
            .unwrap_or_default()
    }
}
