//! What a run has to do, decided from what it wants and what it found, without any I/O.

use std::collections::BTreeSet;

use registry_model::{Digest, Environment, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

use super::plan::{DeployPlan, PlannedApp};
use super::prints::{AppPrint, Prints};
use crate::client::{AppState, StoredSecret};
use crate::record::Record;
use crate::secrets::SecretStep;

/// What there is in an environment, before anything is changed.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The deployment record; `None` when it cannot be told.
    pub record: Option<Record>,
    /// All secrets.
    pub stored: Vec<StoredSecret>,
    /// What is deployed under the name of each app, in the order of the plan.
    pub live: Vec<Option<AppState>>,
}

/// What the caller asks for beyond the plan.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Deploy every app, whatever is live. A hold stays a hold.
    pub force: bool,
    /// The apps whose hold ends, by app or processor.
    pub release: BTreeSet<String>,
    /// Whether a hold at what is wanted stays.
    pub keep_holds: bool,
    /// Whether apps are smoked, so that one that never was is to be.
    pub smoke: bool,
}

/// What a run has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Steps {
    /// The version of this form: 1.
    pub schema: u32,
    /// Where.
    pub environment: Environment,
    /// Each secret, in the order of the plan.
    pub secrets: Vec<SecretStep>,
    /// Each app, in the order of the plan.
    pub apps: Vec<AppStep>,
}

/// What becomes of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AppStep {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// The app.
    pub app: String,
    /// What should run.
    pub image: PinnedImage,
    /// What is done about it.
    pub step: Step,
    /// Why; empty where nothing is done.
    pub why: Vec<String>,
    /// The version that is live before, as far as it is known.
    pub version: Option<u32>,
    /// The digest at which a person holds it, which is another than the pinned one.
    pub held: Option<Digest>,
    /// Whether a hold ends: it was asked for, or what is pinned is what is held.
    pub release: bool,
}

/// What is done about one app, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Nothing: a person holds it at another digest.
    Held,
    /// Nothing: all of it is live already, and its smoke passed.
    Current,
    /// It is live, and only its smoke has not passed yet.
    Smoke,
    /// It is live, and gets new containers, as values of its secrets changed.
    Rollover,
    /// `modal deploy`.
    Deploy,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Current => "nothing to do",
            Self::Smoke => "smoke",
            Self::Rollover => "roll over",
            Self::Deploy => "deploy",
        })
    }
}

/// Decides what has to be done, given what becomes of the secrets
/// ([`crate::secrets::decide`]).
#[must_use]
pub fn steps(
    plan: &DeployPlan,
    secrets: Vec<SecretStep>,
    prints: &Prints,
    found: &Found,
    rules: &Rules,
) -> Steps {
    let known = Known {
        found,
        rules,
        stored: found.stored.iter().map(|one| one.name.as_str()).collect(),
        written: secrets
            .iter()
            .filter(|secret| secret.write.is_some())
            .map(|secret| secret.name.as_str())
            .collect(),
    };
    let apps = plan
        .apps
        .iter()
        .zip(&prints.apps)
        .enumerate()
        .map(|(index, (app, wanted))| {
            let live = found.live.get(index).and_then(Option::as_ref);
            known.app(app, wanted, live)
        })
        .collect();
    Steps {
        schema: 1,
        environment: plan.environment.clone(),
        apps,
        secrets,
    }
}

/// Why an app is left alone that a person holds.
pub(crate) fn held(digest: &Digest) -> String {
    format!("a person holds it at {}", digest.short())
}

struct Known<'a> {
    found: &'a Found,
    rules: &'a Rules,
    stored: BTreeSet<&'a str>,
    written: BTreeSet<&'a str>,
}

impl Known<'_> {
    fn app(&self, app: &PlannedApp, wanted: &AppPrint, live: Option<&AppState>) -> AppStep {
        let record = self.found.record.as_ref();
        let hold = record.and_then(|record| record.hold(&app.app));
        let asked = self.rules.release.contains(&app.app)
            || self.rules.release.contains(&app.reference.to_string());
        let release = hold
            .as_ref()
            .is_some_and(|digest| asked || (!self.rules.keep_holds && *digest == app.image.digest));
        let held = hold.filter(|digest| !release && *digest != app.image.digest);
        let (step, why) = match &held {
            Some(digest) => {
                let other = record
                    .and_then(|record| record.mark(&app.app))
                    .filter(|mark| live.and_then(|live| live.version) == Some(mark.version))
                    .filter(|mark| mark.digest != *digest);
                let other = other.map(|mark| format!("what runs is {}", mark.digest.short()));
                let why = [Some(self::held(digest)), other];
                (Step::Held, why.into_iter().flatten().collect())
            }
            None => self.free_app(app, wanted, live),
        };
        AppStep {
            reference: app.reference.clone(),
            app: app.app.clone(),
            image: app.image.clone(),
            step,
            why,
            version: live.and_then(|live| live.version),
            held,
            release,
        }
    }

    fn free_app(
        &self,
        app: &PlannedApp,
        wanted: &AppPrint,
        live: Option<&AppState>,
    ) -> (Step, Vec<String>) {
        let deploy = |why: String| (Step::Deploy, vec![why]);
        if self.rules.force {
            return deploy("forced".to_owned());
        }
        let Some(live) = live else {
            return deploy("it is not deployed".to_owned());
        };
        let Some(version) = live.version else {
            return deploy("Modal does not tell which version is live".to_owned());
        };
        let Some(record) = &self.found.record else {
            return deploy(format!("it cannot be known what version {version} is"));
        };
        let mark = match record.mark(&app.app) {
            None => return deploy(format!("it is not known what version {version} is")),
            Some(mark) if mark.version != version => {
                return deploy(format!(
                    "somebody else deployed version {version} after our {}",
                    mark.version
                ));
            }
            Some(mark) => mark,
        };
        if mark.digest != app.image.digest {
            return deploy(format!(
                "the image changed from {} to {}",
                mark.digest.short(),
                app.image.digest.short()
            ));
        }
        if mark.deploy != wanted.deploy {
            return deploy(
                "the app's code, its settings, or the names of its secrets changed".to_owned(),
            );
        }
        let used = |names: &BTreeSet<&str>, there: bool| -> Vec<String> {
            app.tool_secrets
                .iter()
                .filter(|name| names.contains(name.as_str()) == there)
                .cloned()
                .collect()
        };
        // A secret that is made anew has a new identifier, which what is live does not know.
        let gone = used(&self.stored, false);
        if !gone.is_empty() {
            let why = |name: String| format!("secret `{name}` was gone");
            return (Step::Deploy, gone.into_iter().map(why).collect());
        }
        // Written before and reverted since is no change, and yet some containers may have what
        // was there in between.
        let changed = used(&self.written, true);
        if !changed.is_empty() {
            let why = |name: String| format!("secret `{name}` is written");
            return (Step::Rollover, changed.into_iter().map(why).collect());
        }
        if mark.secrets != wanted.secrets {
            let why = "values of its secrets changed since its containers started";
            return (Step::Rollover, vec![why.to_owned()]);
        }
        if self.rules.smoke && !mark.smoked {
            let why = format!("version {version} has not passed a smoke yet");
            return (Step::Smoke, vec![why]);
        }
        (Step::Current, Vec::new())
    }
}

#[cfg(test)]
mod tests;
