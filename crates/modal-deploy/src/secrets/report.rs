use registry_model::Environment;
use serde::{Deserialize, Serialize};

use super::decide::{SecretStep, Why};
use super::plan::SecretPlan;
use crate::ErrorClass;

/// What became of the secrets of an environment. Values are nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SyncReport {
    /// The version of this form: 1.
    pub schema: u32,
    /// Where they go.
    pub environment: Environment,
    /// Each secret, in the order of the plan, and then those that were left out.
    pub secrets: Vec<SecretReport>,
    /// What was left out, and what looks wrong.
    pub warnings: Vec<String>,
    /// Those that the environment has and nobody declares, as [`super::orphans`] finds them: no
    /// sync touches them.
    pub orphans: Vec<String>,
    /// Whether the caller cancelled before everything was done.
    pub interrupted: bool,
}

/// What became of one secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretReport {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: SecretOutcome,
    /// Why it was to be written.
    pub why: Option<Why>,
    /// Why that failed.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How the sync of one secret ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretOutcome {
    /// It is to be written, and was not yet.
    Due,
    /// Modal has these values now.
    Written,
    /// Modal had them already.
    Kept,
    /// Optional, and without a value: Modal has what it had.
    LeftOut,
    /// Modal may have them or not; the next sync writes it again.
    Failed,
    /// The caller cancelled first. Modal may have the values or not, as above.
    Interrupted,
}

impl SyncReport {
    /// What [`super::sync`] would do.
    #[must_use]
    pub fn preview(plan: &SecretPlan, steps: &[SecretStep]) -> Self {
        let report = |name: &String, outcome, why| SecretReport {
            name: name.clone(),
            outcome,
            why,
            error: None,
            hint: None,
        };
        let planned = plan.secrets.iter().map(|secret| {
            let step = steps.iter().find(|step| step.name == secret.name);
            let why = step.and_then(|step| step.write);
            let outcome = match why {
                Some(_) => SecretOutcome::Due,
                None => SecretOutcome::Kept,
            };
            report(&secret.name, outcome, why)
        });
        let left_out = plan.left_out.iter();
        let left_out = left_out.map(|name| report(name, SecretOutcome::LeftOut, None));
        Self {
            schema: 1,
            environment: plan.environment.clone(),
            secrets: planned.chain(left_out).collect(),
            warnings: plan.warnings.clone(),
            orphans: Vec::new(),
            interrupted: false,
        }
    }

    /// The names of those that were written, in their order.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        self.named(SecretOutcome::Written)
    }

    /// The class of trouble that it tells of, if it does.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        if self.interrupted {
            Some(ErrorClass::Cancelled)
        } else if self.named(SecretOutcome::Failed).is_empty() {
            None
        } else {
            Some(ErrorClass::Deploy)
        }
    }

    /// The names of those that ended so, in their order.
    #[must_use]
    pub fn named(&self, outcome: SecretOutcome) -> Vec<String> {
        let some = self.secrets.iter().filter(|one| one.outcome == outcome);
        some.map(|one| one.name.clone()).collect()
    }
}
