//! The secrets of an environment.

use std::collections::BTreeSet;

use registry_model::ProcessorRef;

use super::super::facts::{AtHand, Facts, Wanted};
use super::super::finding::{Check, Finding};
use super::modal::is_missing;
use super::{REGISTRY_PASSWORD, REGISTRY_USERNAME, quoted};
use crate::ModalError;
use crate::client::StoredSecret;
use crate::secrets::SecretProblem;

const NOT_TOLD: &str = "no value is at hand, and Modal cannot be asked";

/// What the environment has; `None` when nobody knows. One that does not exist has nothing.
fn stored<'a>(wanted: &Wanted, facts: &'a Facts) -> Option<&'a [StoredSecret]> {
    match &facts.stored {
        _ if is_missing(wanted, facts) => Some(&[]),
        Ok(stored) => Some(stored),
        Err(_) => None,
    }
}

/// Why the secrets of an environment that exists could not be listed.
pub(super) fn list(wanted: &Wanted, facts: &Facts, asked: bool) -> Option<Finding> {
    match &facts.stored {
        Err(trouble) if asked && facts.environments.is_ok() && !is_missing(wanted, facts) => {
            Some(Check::Secret.trouble("all", trouble))
        }
        _ => None,
    }
}

/// The secret with which Modal pulls: what a deploy would write, else what is there.
pub(super) fn registry_auth(wanted: &Wanted, facts: &Facts) -> Finding {
    let check = Check::RegistryAuth;
    let name = wanted.deploy.registry_secret.as_str();
    if name.is_empty() {
        return check.ok("none", "Modal pulls without credentials");
    }
    let required = wanted.secrets().get(name).is_some_and(Option::is_some);
    let cure = format!(
        "set {name} to a JSON object: {{\"{REGISTRY_USERNAME}\": \"…\", \
         \"{REGISTRY_PASSWORD}\": \"…\"}}"
    );
    match facts.values.get(name) {
        Some(AtHand::Value { keys, .. }) => {
            return with_keys(name, "keys of its value:", keys, cure);
        }
        Some(AtHand::Unusable { problem }) => return check.failed(name, problem, Some(cure)),
        Some(AtHand::Missing { .. }) | None => {}
    }
    let Some(stored) = stored(wanted, facts) else {
        return check.not_checked(name, NOT_TOLD);
    };
    match stored.iter().find(|stored| stored.name == name) {
        Some(there) if there.keys.is_empty() => {
            check.not_checked(name, "Modal has it; which keys it has is not told here")
        }
        Some(there) => with_keys(
            name,
            "keys at Modal:",
            &there.keys.iter().cloned().collect(),
            cure,
        ),
        None if required => {
            check.failed(name, "no value is at hand, and Modal has none", Some(cure))
        }
        None => check.warning(
            name,
            "no value is at hand, and Modal has none: Modal pulls without credentials, which does \
             for public images only",
            cure,
        ),
    }
}

fn with_keys(name: &str, found: &str, keys: &BTreeSet<String>, cure: String) -> Finding {
    let wanted = BTreeSet::from([REGISTRY_PASSWORD.to_owned(), REGISTRY_USERNAME.to_owned()]);
    let found = format!("{found} {}", quoted(keys));
    if *keys == wanted {
        return Check::RegistryAuth.ok(name, found);
    }
    let text = format!("{found}; Modal wants exactly {}", quoted(&wanted));
    Check::RegistryAuth.failed(name, text, Some(cure))
}

/// One finding a secret.
pub(super) fn declared(wanted: &Wanted, facts: &Facts) -> Vec<Finding> {
    let stored = stored(wanted, facts);
    let all = wanted.secrets().into_iter();
    let others = all.filter(|(name, _)| *name != wanted.deploy.registry_secret);
    let judged = others.filter_map(|(name, required_by)| {
        let value = facts.values.get(name)?;
        Some(one(wanted, name, value, required_by, stored))
    });
    judged.collect()
}

fn one(
    wanted: &Wanted,
    name: &str,
    value: &AtHand,
    required_by: Option<Vec<ProcessorRef>>,
    stored: Option<&[StoredSecret]>,
) -> Finding {
    let check = Check::Secret;
    let looked_for = match value {
        AtHand::Value { keys, warnings } => {
            return match warnings.is_empty() {
                true if keys.len() == 1 => check.ok(name, "a value is at hand"),
                true => check.ok(name, format!("a value with {} is at hand", quoted(keys))),
                false => check.warning(
                    name,
                    warnings.join("; "),
                    "take what does not belong there out of the value",
                ),
            };
        }
        AtHand::Unusable { problem } => {
            let cure = "give it another value, or declare it by another name";
            return check.failed(name, problem, Some(cure.to_owned()));
        }
        AtHand::Missing { looked_for } => looked_for,
    };
    let at_modal = stored.map(|stored| stored.iter().any(|stored| stored.name == name));
    let sources = quoted(looked_for);
    match (required_by, at_modal) {
        (Some(_), None) => check.not_checked(name, NOT_TOLD),
        (Some(_), Some(true)) => check.warning(
            name,
            "Modal has it, and no value is at hand here",
            format!("where `pipeline deploy` runs, one of {sources} must be set"),
        ),
        (Some(required_by), Some(false)) => {
            let problem = SecretProblem::Missing {
                name: name.to_owned(),
                looked_for: looked_for.clone(),
                required_by,
            };
            let text = problem.to_string();
            let cure = ModalError::Secrets {
                environment: wanted.environment.clone(),
                problems: vec![problem],
            }
            .hint();
            check.failed(name, text, cure)
        }
        (None, _) => check.warning(
            name,
            "optional, and no value is at hand: left out",
            format!("set one of {sources} if it is needed"),
        ),
    }
}
