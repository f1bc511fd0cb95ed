//! `promotion:` of `pipeline.yml`.

use promotion::Rules;
use registry_model::Environment;
use serde::{Deserialize, Serialize};

use super::{Config, Required};

/// `promotion:` of `pipeline.yml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct PromotionConfig {
    /// Receipts without which nothing goes on; default: `acceptance`, and `deployment in` the
    /// environment that it comes from.
    pub(crate) require: Option<Vec<Required>>,
}

impl Config {
    /// What is asked of an image that leaves `from`. A requirement that names an environment is
    /// asked for where an image leaves that one or a later one.
    pub(crate) fn promotion_rules(&self, from: &Environment) -> Rules {
        let usual = Rules::usual(from);
        let all = self.environments();
        let place = |wanted: &Environment| all.iter().position(|one| one == wanted);
        let holds = |required: &&Required| match (place(from), &required.0.environment) {
            (Some(here), Some(named)) => place(named).is_some_and(|named| named <= here),
            // What has no place in the order gets no discount.
            (None, _) | (_, None) => true,
        };
        let require = match &self.promotion.require {
            Some(list) => list.iter().filter(holds).map(|it| it.0.clone()).collect(),
            None => usual.require,
        };
        Rules {
            require,
            accept_bypass: self.receipts.accept_bypass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str, from: &str) -> Vec<String> {
        let config = Config::parse(text, "pipeline.yml".into()).unwrap();
        let rules = config.promotion_rules(&from.parse().unwrap());
        rules.require.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_step_asks_for_what_the_environments_before_it_can_have() {
        assert_eq!(asked("", "dev"), ["acceptance", "deployment in dev"]);
        assert_eq!(
            asked("context: code", "staging"),
            ["acceptance", "deployment in staging"]
        );
        let text = "promotion:\n  require: [build, deployment in dev, deployment in staging, \
                    promotion in staging]\n";
        assert_eq!(asked(text, "dev"), ["build", "deployment in dev"]);
        let all = [
            "build",
            "deployment in dev",
            "deployment in staging",
            "promotion in staging",
        ];
        assert_eq!(asked(text, "staging"), all);
        assert_eq!(asked(text, "elsewhere"), all);
        assert_eq!(asked("promotion: {require: []}", "dev"), [""; 0]);
    }

    #[test]
    fn a_misspelt_environment_is_told() {
        let text = "promotion: {require: [deployment in stagin]}";
        let error = Config::parse(text, "pipeline.yml".into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "use `promotion.require` of `pipeline.yml`: `stagin` is not in `environments`"
        );
        for wrong in [
            "promotion: {requires: []}",
            "promotion: {require: [accepted]}",
        ] {
            assert!(
                Config::parse(wrong, "pipeline.yml".into()).is_err(),
                "{wrong}"
            );
        }
    }
}
