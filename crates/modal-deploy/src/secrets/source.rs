use std::collections::BTreeMap;

use registry_model::Environment;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::ModalError;

/// Where secret values come from, by name.
#[derive(Clone, Debug, Default)]
pub struct SecretSource {
    values: BTreeMap<String, Given>,
}

/// A value as its source has it.
#[derive(Clone, Debug)]
pub(super) enum Given {
    Text(SecretString),
    /// A JSON object: one secret with several keys.
    Object(BTreeMap<String, SecretString>),
}

impl SecretSource {
    /// The environment of this process. Variables that are no UTF-8 are no secrets.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_pairs(std::env::vars_os().filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                SecretString::from(value.into_string().ok()?),
            ))
        }))
    }

    /// These names and values.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name, Given::Text(value)))
            .collect();
        Self { values }
    }

    /// A JSON object: `{"NAME": "value", "REGISTRY_AUTH": {"REGISTRY_USERNAME": "…", …}}`, as
    /// GitHub's `toJSON(secrets)` makes it. `null` is no value.
    ///
    /// # Errors
    /// [`ModalError::SecretSource`], which names the entry but no value.
    pub fn from_json(text: &SecretString) -> Result<Self, ModalError> {
        let wrong = |problem: String| ModalError::SecretSource {
            origin: "the JSON object of secrets",
            problem,
        };
        // serde's own message quotes what it found, which may be a value.
        let json: Value = serde_json::from_str(text.expose_secret()).map_err(|error| {
            wrong(format!(
                "no JSON at line {}, column {}",
                error.line(),
                error.column()
            ))
        })?;
        let Value::Object(entries) = json else {
            return Err(wrong("expected an object of names and values".to_owned()));
        };
        let mut values = BTreeMap::new();
        for (name, value) in entries {
            let given = match value {
                Value::Null => continue,
                Value::String(text) => Given::Text(SecretString::from(text)),
                Value::Object(keys) => {
                    let all = keys.into_iter().map(|(key, value)| match value {
                        Value::String(text) => Ok((key, SecretString::from(text))),
                        _ => Err(wrong(format!("`{name}.{key}` is no string"))),
                    });
                    Given::Object(all.collect::<Result<_, _>>()?)
                }
                _ => {
                    return Err(wrong(format!(
                        "`{name}` is neither a string nor an object of strings"
                    )));
                }
            };
            values.insert(name, given);
        }
        Ok(Self { values })
    }

    /// The names under which a value for `name` is looked for, the strongest first.
    pub(super) fn candidates(name: &str, environment: &Environment) -> [String; 2] {
        let suffix = environment.as_str().replace('-', "_").to_ascii_uppercase();
        [format!("{name}_{suffix}"), name.to_owned()]
    }

    /// The first candidate that is set and not empty.
    pub(super) fn find(&self, name: &str, environment: &Environment) -> Option<&Given> {
        Self::candidates(name, environment)
            .iter()
            .filter_map(|candidate| self.values.get(candidate))
            .find(|given| !given.is_empty())
    }
}

impl Given {
    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.expose_secret().is_empty(),
            Self::Object(keys) => keys.is_empty(),
        }
    }
}
