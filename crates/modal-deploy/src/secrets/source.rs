use std::collections::BTreeMap;

use registry_model::Environment;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::names::NameRule;
use crate::ModalError;

/// Where secret values come from, by name.
#[derive(Clone, Debug, Default)]
pub struct SecretSource {
    values: BTreeMap<String, Given>,
    names: NameRule,
}

/// A value as its source has it.
#[derive(Clone, Debug)]
pub(super) enum Given {
    Text(SecretString),
    /// A JSON object, or text that holds one: one secret with several keys.
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
            .map(|(name, value)| (name, Given::from(value)))
            .collect();
        Self {
            values,
            names: NameRule::default(),
        }
    }

    /// The same with another rule for names.
    #[must_use]
    pub fn with_names(mut self, names: NameRule) -> Self {
        self.names = names;
        self
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
                Value::String(text) => Given::from(SecretString::from(text)),
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
        Ok(Self {
            values,
            names: NameRule::default(),
        })
    }

    /// The names under which a value for `name` is looked for, the strongest first.
    pub(super) fn candidates(&self, name: &str, environment: &Environment) -> Vec<String> {
        self.names.candidates(name, environment)
    }

    /// The first candidate that is set and not empty.
    pub(super) fn find(&self, name: &str, environment: &Environment) -> Option<&Given> {
        self.candidates(name, environment)
            .iter()
            .filter_map(|candidate| self.values.get(candidate))
            .find(|given| !given.is_empty())
    }
}

impl From<SecretString> for Given {
    fn from(text: SecretString) -> Self {
        match object_in(&text) {
            Some(keys) => Self::Object(keys),
            None => Self::Text(text),
        }
    }
}

impl Given {
    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.expose_secret().is_empty(),
            Self::Object(keys) => keys.values().all(|value| value.expose_secret().is_empty()),
        }
    }
}

fn object_in(text: &SecretString) -> Option<BTreeMap<String, SecretString>> {
    let text = text.expose_secret();
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let Ok(Value::Object(entries)) = serde_json::from_str(text) else {
        return None;
    };
    let upper = |key: &str| is_variable(key) && !key.bytes().any(|b| b.is_ascii_lowercase());
    let keys: Option<BTreeMap<_, _>> = entries
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) if upper(&key) => Some((key, SecretString::from(text))),
            _ => None,
        })
        .collect();
    keys.filter(|keys| !keys.is_empty())
}

/// Whether this can be the name of an environment variable.
pub(super) fn is_variable(key: &str) -> bool {
    !key.is_empty()
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
