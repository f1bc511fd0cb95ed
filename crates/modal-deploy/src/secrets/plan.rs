use std::collections::BTreeMap;

use process::Redactor;
use registry_model::{Environment, ProcessorRef, SecretNames};
use secrecy::{ExposeSecret, SecretString};

use super::problem::SecretProblem;
use super::source::{Given, SecretSource, is_variable};
use crate::record::RECORD_SECRET;
use crate::{ModalError, Processor};

/// The secrets that an environment gets. Its values cannot be printed.
#[derive(Clone, Debug)]
pub struct SecretPlan {
    /// Where they go.
    pub environment: Environment,
    /// What is written, sorted by name.
    pub secrets: Vec<PlannedSecret>,
    /// The optional ones that have no value, sorted.
    pub left_out: Vec<String>,
    /// What is left out, and what looks wrong.
    pub warnings: Vec<String>,
}

/// One secret with its keys.
#[derive(Clone, Debug)]
pub struct PlannedSecret {
    /// Its name at Modal.
    pub name: String,
    /// The environment variables that a container gets from it.
    pub values: BTreeMap<String, SecretString>,
}

impl SecretPlan {
    /// Those of `names` that are written, in their order: what `TOOL_SECRETS` may list. A deploy
    /// that names a secret which does not exist fails.
    #[must_use]
    pub fn available(&self, names: &SecretNames) -> Vec<String> {
        let mut available: Vec<String> = Vec::new();
        for name in names.required.iter().chain(&names.optional) {
            if self.secrets.iter().any(|secret| secret.name == *name) && !available.contains(name) {
                available.push(name.clone());
            }
        }
        available
    }

    /// Replaces all its values in text that is about to be shown.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::new();
        for value in self.values() {
            redactor.add(value);
        }
        redactor
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &SecretString> {
        self.secrets
            .iter()
            .flat_map(|secret| secret.values.values())
    }
}

#[derive(Default)]
struct Wanted {
    required: bool,
    by: Vec<ProcessorRef>,
}

/// Collects the secrets of `processors`, and of `shared`, which belong to the environment and not
/// to one processor (`REGISTRY_AUTH`), before anything is written.
///
/// For environment `dev`, a value of `NAME_DEV` wins over one of `NAME`, unless the source has
/// another rule; an empty value is none.
/// A plain value becomes a secret with one key of its own name. A JSON object of strings becomes
/// a secret with several keys; in text that holds one, all keys must be upper-case, so that a
/// Google service account (`{"type": …}`) stays the one value that it is.
///
/// # Errors
/// [`ModalError::Secrets`] with every required secret that has no value and every unusable one.
pub fn plan(
    processors: &[Processor],
    shared: &SecretNames,
    source: &SecretSource,
    environment: &Environment,
) -> Result<SecretPlan, ModalError> {
    let mut wanted: BTreeMap<&str, Wanted> = BTreeMap::new();
    let all = processors
        .iter()
        .map(|processor| (&processor.secrets, Some(&processor.reference)))
        .chain([(shared, None)]);
    for (names, by) in all {
        for (list, required) in [(&names.required, true), (&names.optional, false)] {
            for name in list {
                let entry = wanted.entry(name).or_default();
                entry.required |= required;
                if required {
                    entry.by.extend(by.cloned());
                }
            }
        }
    }
    let mut plan = SecretPlan {
        environment: environment.clone(),
        secrets: Vec::new(),
        left_out: Vec::new(),
        warnings: Vec::new(),
    };
    let mut problems = Vec::new();
    for (name, Wanted { required, by }) in wanted {
        let given = source.find(name, environment);
        match given.map(|given| keys(name, given)) {
            Some(Ok(values)) => {
                plan.warnings.extend(strange(name, &values));
                plan.secrets.push(PlannedSecret {
                    name: name.to_owned(),
                    values,
                });
            }
            Some(Err(problem)) => problems.push(SecretProblem::Unusable {
                name: name.to_owned(),
                problem,
            }),
            None if required => problems.push(SecretProblem::Missing {
                name: name.to_owned(),
                looked_for: source.candidates(name, environment),
                required_by: by,
            }),
            None => {
                plan.left_out.push(name.to_owned());
                plan.warnings.push(format!(
                    "optional secret `{name}` has no value for `{environment}`: left out"
                ));
            }
        }
    }
    if problems.is_empty() {
        Ok(plan)
    } else {
        Err(ModalError::Secrets {
            environment: environment.clone(),
            problems,
        })
    }
}

fn keys(name: &str, given: &Given) -> Result<BTreeMap<String, SecretString>, String> {
    // Modal's rules; it would refuse them only after other secrets have been written.
    let named = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !named {
        return Err("a name takes 1 to 64 letters, digits, `-`, `_`, `.`".to_owned());
    }
    if name == RECORD_SECRET {
        return Err("its name is kept for the deployment record".to_owned());
    }
    let values = match given {
        Given::Object(keys) => keys.clone(),
        Given::Text(text) => BTreeMap::from([(name.to_owned(), text.clone())]),
    };
    for (key, value) in &values {
        if !is_variable(key) {
            return Err(if values.len() == 1 && key == name {
                "its name cannot be an environment variable; give its value as a JSON object"
                    .to_owned()
            } else {
                format!("its key `{key}` cannot be an environment variable")
            });
        }
        if value.expose_secret().is_empty() {
            return Err(format!("its key `{key}` is empty"));
        }
        if value.expose_secret().contains('\0') {
            return Err(format!(
                "the value of `{key}` holds a NUL, which no environment variable can"
            ));
        }
    }
    Ok(values)
}

/// What a value should hardly be like: files and clipboards end with a line break, and no API
/// takes it as a part of a token.
fn strange(name: &str, values: &BTreeMap<String, SecretString>) -> Vec<String> {
    let padded = |value: &SecretString| {
        let value = value.expose_secret();
        let core = value.trim();
        core.len() < value.len() && !core.contains('\n')
    };
    values
        .iter()
        .filter(|(_, value)| padded(value))
        .map(|(key, _)| match key == name {
            true => format!("the value of secret `{name}` begins or ends with white space"),
            false => format!("`{key}` of secret `{name}` begins or ends with white space"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
