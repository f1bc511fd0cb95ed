use registry_model::Environment;

/// Under which names the value of a secret is looked for: templates in which `{NAME}` stands for
/// the secret, and `{ENV}` for the environment in upper case, with `_` for `-`. The first that has
/// a value counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRule(Vec<String>);

/// A template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameRuleError {
    /// There is none.
    #[error("the list is empty")]
    Empty,
    /// All secrets would get the same value.
    #[error("`{0}` does not hold `{{NAME}}`")]
    NoName(String),
    /// It holds what is no part of a name.
    #[error("`{0}` holds more than `{{NAME}}`, `{{ENV}}`, letters, digits, `_`, `-`, `.` and `/`")]
    Strange(String),
}

impl Default for NameRule {
    /// `{NAME}_{ENV}`, `{NAME}`.
    fn default() -> Self {
        Self(vec!["{NAME}_{ENV}".to_owned(), "{NAME}".to_owned()])
    }
}

impl NameRule {
    /// These templates, the strongest first.
    ///
    /// # Errors
    /// When there is none, or one cannot be used.
    pub fn new(templates: Vec<String>) -> Result<Self, NameRuleError> {
        if templates.is_empty() {
            return Err(NameRuleError::Empty);
        }
        for template in &templates {
            if !template.contains("{NAME}") {
                return Err(NameRuleError::NoName(template.clone()));
            }
            let rest = template.replace("{NAME}", "").replace("{ENV}", "");
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
            if !rest.bytes().all(plain) {
                return Err(NameRuleError::Strange(template.clone()));
            }
        }
        Ok(Self(templates))
    }

    /// The names for `name` in `environment`, the strongest first.
    pub(super) fn candidates(&self, name: &str, environment: &Environment) -> Vec<String> {
        let suffix = environment.as_str().replace('-', "_").to_ascii_uppercase();
        let filled = self
            .0
            .iter()
            .map(|template| template.replace("{ENV}", &suffix).replace("{NAME}", name));
        filled.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(templates: &[&str]) -> Result<NameRule, NameRuleError> {
        NameRule::new(templates.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn templates_say_where_a_value_is_looked_for() {
        let environment = "pre-prod".parse().unwrap();
        assert_eq!(
            NameRule::default().candidates("KEY", &environment),
            ["KEY_PRE_PROD", "KEY"]
        );
        let rule = rule(&["{ENV}/{NAME}", "MODAL_{NAME}"]).unwrap();
        assert_eq!(
            rule.candidates("KEY", &environment),
            ["PRE_PROD/KEY", "MODAL_KEY"]
        );
        // What a name holds is no template.
        assert_eq!(rule.candidates("{ENV}", &environment)[1], "MODAL_{ENV}");
    }

    #[test]
    fn templates_that_cannot_mean_anything_are_refused() {
        for (templates, says) in [
            (&[][..], "the list is empty"),
            (&["{NAME}", "{ENV}"], "`{ENV}` does not hold `{NAME}`"),
            (&["{name}"], "`{name}` does not hold `{NAME}`"),
            (
                &["{NAME}_{env}"],
                "`{NAME}_{env}` holds more than `{NAME}`, `{ENV}`",
            ),
            (&["{NAME} "], "holds more than"),
        ] {
            let error = rule(templates).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
