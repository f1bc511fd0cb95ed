//! A control plane, a program `modal`, and what a caller wants of them.

use std::num::NonZeroUsize;
use std::time::Duration;

use modal_deploy::deploy::{self, DeployOptions, DeployPlan, Steps};
use modal_deploy::secrets::{self, SecretPlan, SecretSource};
use modal_deploy::{
    AppReport, DeployImage, DeployReport, Deployed, ModalError, Processor, RunOptions, decide, run,
};
use registry_model::SecretNames;
use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::plane::Plane;
use crate::shim::Shim;

/// The value of the secret `KEY`.
pub(crate) const VALUE: &str = "sk-value-hunter22";

/// A digest of which every digit is this one.
pub(crate) fn digest(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

/// All processors use `KEY`; those whose name begins with `both-` use `SECOND`, too.
pub(crate) struct Scene {
    pub(crate) plane: Plane,
    pub(crate) shim: Shim,
    pub(crate) options: RunOptions,
    pub(crate) cancel: CancellationToken,
    /// The digit of the digest that all are pinned to.
    pub(crate) pin: char,
    /// The values of the secrets.
    pub(crate) values: [&'static str; 2],
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let plane = Plane::start().await;
        let shim = Shim::new();
        plane.state().live = Some(shim.live());
        plane.state().reply = Some(json!({"status": "success"}));
        let mut deploy = DeployOptions::new(shim.repository());
        deploy.modal = Some(shim.program());
        deploy.at_once = NonZeroUsize::new(4).unwrap();
        Self {
            plane,
            shim,
            options: RunOptions::new(deploy),
            cancel: CancellationToken::new(),
            pin: 'a',
            values: [VALUE, "second-value"],
        }
    }

    pub(crate) fn plans(&self, environment: &str, references: &[&str]) -> (DeployPlan, SecretPlan) {
        let image = format!("ghcr.io/org/x@{}", digest(self.pin));
        let processors: Vec<Processor> = references
            .iter()
            .map(|reference| Processor {
                reference: reference.parse().unwrap(),
                file: "registry.yaml".into(),
                image: DeployImage::Pinned(image.parse().unwrap()),
                secrets: SecretNames {
                    required: match reference.contains("/both-") {
                        true => vec!["KEY".to_owned(), "SECOND".to_owned()],
                        false => vec!["KEY".to_owned()],
                    },
                    optional: vec!["ABSENT".to_owned()],
                },
                smoke: None,
            })
            .collect();
        let source = SecretSource::from_pairs(
            ["KEY", "SECOND"]
                .into_iter()
                .zip(self.values)
                .map(|(name, value)| (name.to_owned(), SecretString::from(value))),
        );
        let environment = environment.parse().unwrap();
        let shared = SecretNames::default();
        let secrets = secrets::plan(&processors, &shared, &source, &environment).unwrap();
        let plan = deploy::plan(&processors, &secrets).unwrap();
        (plan, secrets)
    }

    pub(crate) async fn run(
        &self,
        environment: &str,
        references: &[&str],
    ) -> Result<DeployReport, ModalError> {
        let (plan, secrets) = self.plans(environment, references);
        let control = self.plane.control();
        run(&control, &plan, &secrets, &self.options, &self.cancel).await
    }

    /// A run in `dev` that comes to a report.
    pub(crate) async fn dev(&self, references: &[&str]) -> DeployReport {
        self.run("dev", references).await.unwrap()
    }

    /// A run in `dev` in which nothing goes wrong.
    pub(crate) async fn good(&self, references: &[&str]) -> DeployReport {
        let report = self.dev(references).await;
        assert_eq!(report.class(), None, "{report:#?}");
        report
    }

    pub(crate) async fn decide(&self, references: &[&str]) -> Steps {
        let (plan, secrets) = self.plans("dev", references);
        let control = self.plane.control();
        decide(&control, &plan, &secrets, &self.options, &self.cancel)
            .await
            .unwrap()
    }

    /// The digits of the digests of all versions of an app; `0` for what somebody else deployed.
    pub(crate) fn pins(&self, app: &str) -> String {
        let versions = self.plane.versions(app);
        let digit = |line: &String| {
            line.split_once("sha256:")
                .unwrap()
                .1
                .chars()
                .next()
                .unwrap()
        };
        versions.iter().map(digit).collect()
    }

    /// Waits until `done` holds; a test that waits in vain fails.
    pub(crate) async fn until(&self, what: &str, done: impl Fn() -> bool) {
        // The plane's state must not be locked while `done` looks at it.
        for _ in 0..500 {
            if done() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited in vain: {what}");
    }

    /// Nothing deploys from now on.
    pub(crate) fn without_modal(&mut self) {
        self.options.deploy.modal = Some("/nowhere/modal".into());
    }
}

/// How each app ended, and the version that came of it.
pub(crate) fn outcomes(report: &DeployReport) -> Vec<(Deployed, Option<u32>)> {
    let outcome = |app: &AppReport| (app.deployed, app.version);
    report.apps.iter().map(outcome).collect()
}
