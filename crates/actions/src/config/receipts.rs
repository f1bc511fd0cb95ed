//! `receipts:` of `pipeline.yml`, and the receipts that a stage requires.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use receipts::keys::VerifyingKey;
use receipts::statement::Kind;
use receipts::verify::{Policy, Requirement};
use registry_model::Environment;
use serde::{Deserialize, Serialize};

use super::{Age, Config, ConfigError};

/// `receipts:` of `pipeline.yml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct ReceiptsConfig {
    /// Files with public keys, relative to the root; one of them must have signed. Default: whoever
    /// may write to the registry is believed.
    pub(crate) keys: Vec<PathBuf>,
    /// What is older is not believed; default: age does not matter.
    pub(crate) max_age: Option<Age>,
    /// Whether what somebody promoted against the rules may be deployed where it went, without the
    /// receipts that are required there; default: it may not.
    pub(crate) accept_bypass: bool,
}

impl ReceiptsConfig {
    /// Which receipts are believed.
    pub(crate) fn policy(&self, root: &Path) -> Result<Policy, ConfigError> {
        let keys = self.keys.iter().map(|file| {
            VerifyingKey::read(&root.join(file)).map_err(|source| ConfigError::Key {
                file: file.clone(),
                source,
            })
        });
        Ok(Policy {
            keys: keys.collect::<Result<_, _>>()?,
            repository: None,
            max_age: self.max_age.map(|age| age.0),
        })
    }
}

/// `<kind>` or `<kind> in <environment>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Required(pub(crate) Requirement);

const KINDS: [Kind; 4] = [
    Kind::Build,
    Kind::Acceptance,
    Kind::Deployment,
    Kind::Promotion,
];

impl FromStr for Required {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, environment) = match text.split_once(" in ") {
            Some((kind, environment)) => (kind, Some(environment)),
            None => (text, None),
        };
        let known = KINDS.iter().find(|known| known.to_string() == kind.trim());
        let kind = *known.ok_or_else(|| {
            let kinds = KINDS.map(|kind| format!("`{kind}`")).join(", ");
            format!(
                "`{}` is no kind of receipt; expected one of {kinds}, and perhaps ` in ENVIRONMENT`",
                kind.trim()
            )
        })?;
        let environment = environment.map(|name| name.trim().parse());
        Ok(Self(Requirement {
            kind,
            environment: environment
                .transpose()
                .map_err(|error: registry_model::NameError| error.to_string())?,
        }))
    }
}

impl TryFrom<String> for Required {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Required> for String {
    fn from(required: Required) -> Self {
        required.0.to_string()
    }
}

impl Config {
    /// A misspelt environment could never be deployed to, or would silently ask for nothing.
    pub(super) fn check_required(&self) -> Result<(), ConfigError> {
        let known = self.environments();
        let promotion = self.promotion.require.as_deref().unwrap_or_default();
        let lists = [
            ("modal.require", self.modal.require.as_slice()),
            ("promotion.require", promotion),
        ];
        for (field, list) in lists {
            let mut named = list.iter().filter_map(|one| one.0.environment.as_ref());
            if let Some(unknown) = named.find(|environment| !known.contains(environment)) {
                return Err(ConfigError::Value {
                    field,
                    problem: format!("`{unknown}` is not in `environments`"),
                });
            }
        }
        Ok(())
    }

    /// What an image must have proven before it is deployed to `environment`. A requirement that
    /// names an environment holds there and further on; a deployment cannot come before itself.
    pub(crate) fn required(&self, environment: &Environment) -> Vec<Requirement> {
        let all = self.environments();
        let place = |wanted: &Environment| all.iter().position(|one| one == wanted);
        let here = place(environment);
        let holds = |required: &Requirement| match (here, &required.environment) {
            (Some(here), Some(named)) => match required.kind {
                Kind::Deployment => Some(here) > place(named),
                _ => Some(here) >= place(named),
            },
            // What has no place in the order gets no discount.
            (None, _) | (_, None) => true,
        };
        let all = self.modal.require.iter().map(|one| &one.0);
        all.filter(|required| holds(required)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, "pipeline.yml".into())
    }

    fn asked(config: &Config, environment: &str) -> Vec<String> {
        let asked = config.required(&environment.parse().unwrap());
        asked.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_environment_asks_for_what_came_before_it() {
        let config = parse(
            "modal:\n  require: [acceptance, deployment in dev, promotion in staging]\n\
             receipts: {keys: [keys/ci.pub], max-age: 90d}\n",
        )
        .unwrap();
        assert_eq!(asked(&config, "dev"), ["acceptance"]);
        let all = ["acceptance", "deployment in dev", "promotion in staging"];
        for environment in ["staging", "main", "elsewhere"] {
            assert_eq!(asked(&config, environment), all, "{environment}");
        }
        assert_eq!(asked(&Config::default(), "main"), [""; 0]);
        let text = serde_yaml::to_string(&config).unwrap();
        assert_eq!(parse(&text).unwrap(), config);
    }

    #[test]
    fn what_no_receipt_can_be_is_told() {
        let error = parse("modal: {require: [accepted]}").unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        for word in [
            "modal.require",
            "`accepted`",
            "`build`, `acceptance`, `deployment`, `promotion`",
        ] {
            assert!(source.contains(word), "{source}");
        }
        let error = parse("modal: {require: [deployment in stagin]}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "use `modal.require` of `pipeline.yml`: `stagin` is not in `environments`"
        );
        for wrong in [
            "modal: {require: acceptance}",
            "modal: {require: ['deployment in ']}",
            "receipts: {key: a}",
            "receipts: {max-age: soon}",
            "receipts: {keys: [../ci.pub]}",
            "receipts: {keys: [/etc/ci.pub]}",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
