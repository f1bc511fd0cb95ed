use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use modal_deploy::deploy::DeployOptions;
use modal_deploy::secrets::{self, NameRule};
use modal_deploy::smoke::{CanaryBudget, SmokeOptions};
use registry_model::{Cost, Environment, Expect, FunctionName, SecretNames};
use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, Required};

/// `modal:` of `pipeline.yml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct ModalConfig {
    /// The Modal app; default `modal_app.py` in the context, when it is there.
    pub(crate) app: Option<PathBuf>,
    /// Globs of the files, besides the app, that a deploy depends on; default: every `.py` file
    /// below the folder of the app.
    pub(crate) code: Option<Vec<String>>,
    /// Deploys that run side by side; default: the number of cores.
    pub(crate) jobs: Option<NonZeroUsize>,
    /// A deploy that runs longer is ended; default 1200.
    pub(crate) timeout_seconds: Option<NonZeroU64>,
    /// The secrets.
    pub(crate) secrets: SecretsConfig,
    /// The smoke calls, where a registry entry says nothing else.
    pub(crate) smoke: SmokeConfig,
    /// Calls in real mode after the smoke; default: none.
    pub(crate) canary: Option<CanaryConfig>,
    /// Receipts that a digest must have before it is deployed; default: none.
    pub(crate) require: Vec<Required>,
}

impl Config {
    /// How to deploy what is in the repository at `root`.
    pub(crate) fn deploy_options(&self, root: &Path) -> DeployOptions {
        let mut options = DeployOptions::new(root);
        options.app_file = self.modal_app().to_string_lossy().into_owned();
        options.code.clone_from(&self.modal.code);
        if let Some(jobs) = self.modal.jobs {
            options.at_once = jobs;
        }
        if let Some(seconds) = self.modal.timeout_seconds {
            options.timeout = Duration::from_secs(seconds.get());
        }
        options
    }

    /// The secrets that belong to the environment and to no processor.
    pub(crate) fn shared_secrets(&self) -> SecretNames {
        let Some(shared) = &self.modal.secrets.shared else {
            return secrets::shared();
        };
        let named = |need: Need| {
            let some = shared.iter().filter(|(_, given)| **given == need);
            some.map(|(name, _)| name.clone()).collect()
        };
        SecretNames {
            required: named(Need::Required),
            optional: named(Need::Optional),
        }
    }

    /// Under which names the values of secrets are looked for.
    pub(crate) fn secret_names(&self) -> Result<NameRule, ConfigError> {
        match &self.modal.secrets.names {
            None => Ok(NameRule::default()),
            Some(templates) => {
                NameRule::new(templates.clone()).map_err(|error| ConfigError::Value {
                    field: "modal.secrets.names",
                    problem: error.to_string(),
                })
            }
        }
    }

    /// A misspelt environment would silently have no canaries.
    pub(super) fn check_canary(&self) -> Result<(), ConfigError> {
        let known = self.environments();
        let canary = self.modal.canary.iter();
        let mut named = canary.flat_map(|canary| &canary.environments);
        match named.find(|environment| !known.contains(environment)) {
            None => Ok(()),
            Some(unknown) => Err(ConfigError::Value {
                field: "modal.canary.environments",
                problem: format!("`{unknown}` is not in `environments`"),
            }),
        }
    }

    /// How a deploy to `environment` is smoked.
    pub(crate) fn smoke_options(&self, environment: &Environment) -> SmokeOptions {
        let canary = self.modal.canary.as_ref();
        SmokeOptions {
            canary: canary
                .filter(|canary| canary.environments.contains(environment))
                .map(|canary| CanaryBudget {
                    calls: canary.calls.get(),
                    cost: canary.cost,
                }),
            ..self.modal.smoke.options()
        }
    }
}

/// `modal.secrets:` of `pipeline.yml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct SecretsConfig {
    /// Under which names a value is looked for, the strongest first, with `{NAME}` for the secret
    /// and `{ENV}` for the environment in upper case; default `{NAME}_{ENV}`, `{NAME}`.
    pub(crate) names: Option<Vec<String>>,
    /// Secrets of the environment that no processor declares; default: `REGISTRY_AUTH`, optional.
    pub(crate) shared: Option<BTreeMap<String, Need>>,
}

/// Whether a deploy goes on without a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Need {
    /// It does not.
    Required,
    /// It does.
    Optional,
}

/// `modal.smoke:` of `pipeline.yml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct SmokeConfig {
    /// The function; default `smoke`.
    pub(crate) function: Option<FunctionName>,
    /// Its argument; default `{"ref": …, "mode": "mock"}`.
    pub(crate) payload: Option<serde_json::Value>,
    /// What stands in the reply; default: `status: success` in an envelope.
    pub(crate) expect: Option<Expect>,
    /// How long a call may take, cold start and retries included; default 300.
    pub(crate) timeout_seconds: Option<NonZeroU64>,
    /// Apps that are called side by side; default 10.
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// `modal.canary:` of `pipeline.yml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct CanaryConfig {
    /// Where there are canaries.
    pub(crate) environments: Vec<Environment>,
    /// How many calls a deploy may make.
    pub(crate) calls: NonZeroU32,
    /// What they may cost together, in the unit of the replies; default: only the calls count.
    #[serde(default)]
    pub(crate) cost: Option<Cost>,
}

impl SmokeConfig {
    /// How deploys are smoked where nothing real is called.
    pub(crate) fn options(&self) -> SmokeOptions {
        let usual = SmokeOptions::default();
        let seconds = |seconds: NonZeroU64| Duration::from_secs(seconds.get());
        SmokeOptions {
            function: self.function.clone(),
            payload: self.payload.clone(),
            expect: self.expect.clone(),
            timeout: self.timeout_seconds.map_or(usual.timeout, seconds),
            at_once: self.jobs.unwrap_or(usual.at_once),
            canary: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, serde_yaml::Error> {
        let modal: ModalConfig = serde_yaml::from_str(text)?;
        Ok(Config {
            modal,
            ..Config::default()
        })
    }

    fn environment(name: &str) -> Environment {
        name.parse().unwrap()
    }

    #[test]
    fn secrets_are_configured() {
        let config = read(
            "secrets: {names: ['MODAL_{NAME}_{ENV}'], shared: {PULL: required, MORE: optional}}",
        )
        .unwrap();
        let names = NameRule::new(vec!["MODAL_{NAME}_{ENV}".to_owned()]);
        assert_eq!(config.secret_names().unwrap(), names.unwrap());
        let shared = config.shared_secrets();
        assert_eq!(
            (shared.required, shared.optional),
            (vec!["PULL".into()], vec!["MORE".into()])
        );
        let none = read("secrets: {shared: {}}").unwrap().shared_secrets();
        assert!(none.required.is_empty() && none.optional.is_empty());
        let usual = Config::default();
        assert_eq!(usual.secret_names().unwrap(), NameRule::default());
        assert_eq!(usual.shared_secrets().optional, ["REGISTRY_AUTH"]);
        for wrong in ["{name: [x]}", "{shared: {A: maybe}}", "{shared: [A]}"] {
            assert!(read(&format!("secrets: {wrong}")).is_err(), "{wrong}");
        }
        let wrong = read("secrets: {names: []}")
            .unwrap()
            .secret_names()
            .unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "use `modal.secrets.names` of `pipeline.yml`: the list is empty"
        );
    }

    #[test]
    fn deploys_are_configured() {
        let root = Path::new("/repository");
        let usual = Config::default().deploy_options(root);
        assert_eq!(usual.app_file, "code/modal_app.py");
        assert_eq!((usual.code, usual.timeout.as_secs()), (None, 1200));
        let config = read("app: a/b.py\ncode: ['a/**']\njobs: 3\ntimeout-seconds: 60").unwrap();
        let options = config.deploy_options(root);
        assert_eq!(options.app_file, "a/b.py");
        assert_eq!(options.code, Some(vec!["a/**".to_owned()]));
        assert_eq!((options.at_once.get(), options.timeout.as_secs()), (3, 60));
        for wrong in [
            "jobs: 0",
            "timeout-seconds: 0",
            "code: a.py",
            "function: smoke",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn smokes_are_configured() {
        let config = read(
            "smoke: {function: ping, payload: {mode: mock, n: [1]}, expect: {status: ok, /a/0: 1}, \
             timeout-seconds: 60, jobs: 3}",
        )
        .unwrap();
        let options = config.smoke_options(&environment("dev"));
        assert_eq!(options.function(), "ping");
        let payload = serde_json::json!({"mode": "mock", "n": [1]});
        assert_eq!(options.payload, Some(payload));
        let places: Vec<String> = options
            .expect
            .iter()
            .flat_map(Expect::iter)
            .map(|(place, _)| place.to_string())
            .collect();
        assert_eq!(places, ["/status", "/a/0"]);
        assert_eq!(options.timeout, Duration::from_secs(60));
        assert_eq!(options.at_once.get(), 3);
        for wrong in [
            "{function: a b}",
            "{expect: {state: 1}}",
            "{expect: {}}",
            "{timeout-seconds: 0}",
            "{negative: {}}",
        ] {
            assert!(read(&format!("smoke: {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn canaries_are_only_where_they_are_asked_for() {
        let config = read("canary: {environments: [staging], calls: 5, cost: 0.5}").unwrap();
        let canary = |config: &Config, name| config.smoke_options(&environment(name)).canary;
        assert_eq!(canary(&config, "dev"), None);
        let budget = canary(&config, "staging").unwrap();
        assert_eq!(budget.calls, 5);
        assert_eq!(budget.cost.map(f64::from), Some(0.5));
        assert_eq!(canary(&Config::default(), "staging"), None);
        let misspelt = "modal: {canary: {environments: [stagin], calls: 1}}";
        let error = Config::parse(misspelt, "pipeline.yml".into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "use `modal.canary.environments` of `pipeline.yml`: `stagin` is not in `environments`"
        );
        for wrong in [
            "{environments: [staging]}",
            "{calls: 5}",
            "{environments: [staging], calls: 0}",
            "{environments: [staging], calls: 1, cost: -1}",
            "{environments: [staging], calls: 1, price: 1}",
        ] {
            assert!(read(&format!("canary: {wrong}")).is_err(), "{wrong}");
        }
    }
}
