use std::collections::BTreeSet;
use std::fmt;

use registry_model::SecretNames;
use serde::{Deserialize, Serialize};

use super::plan::{PlannedSecret, SecretPlan};
use crate::client::StoredSecret;
use crate::fingerprint::FingerprintKey;
use crate::record::{RECORD_SECRET, Record};

/// What becomes of one secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretStep {
    /// Its name.
    pub name: String,
    /// Why it is written; `None` when it stays as it is.
    pub write: Option<Why>,
}

/// Why a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The environment never had it.
    New,
    /// The value is another than the one that was written last, or was written with another
    /// token.
    Changed,
    /// It was written, and is gone.
    Missing,
    /// It has other keys than it should.
    Keys,
    /// Nobody knows which values it has.
    Unknown,
    /// The caller wants all written.
    Forced,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Changed => "changed, or written with another token",
            Self::Missing => "missing at Modal",
            Self::Keys => "has other keys at Modal",
            Self::Unknown => "nobody knows what Modal has",
            Self::Forced => "forced",
        })
    }
}

/// Decides which secrets of `plan` must be written, in the order of the plan: from the record of
/// the environment, if that is known, and the secrets that it has. With `force`, all of them.
///
/// Modal gives no values back: a value that somebody else writes under the same keys goes
/// unnoticed.
#[must_use]
pub fn decide(
    plan: &SecretPlan,
    record: Option<&Record>,
    stored: &[StoredSecret],
    key: &FingerprintKey,
    force: bool,
) -> Vec<SecretStep> {
    let step = |secret: &PlannedSecret| SecretStep {
        name: secret.name.clone(),
        write: if force {
            Some(Why::Forced)
        } else {
            why(secret, record, stored, key)
        },
    };
    plan.secrets.iter().map(step).collect()
}

fn why(
    secret: &PlannedSecret,
    record: Option<&Record>,
    stored: &[StoredSecret],
    key: &FingerprintKey,
) -> Option<Why> {
    let written = record.and_then(|record| record.secret(&secret.name));
    let there = stored.iter().find(|stored| stored.name == secret.name);
    match (there, written) {
        (None, None) => Some(Why::New),
        (None, Some(_)) => Some(Why::Missing),
        (Some(_), None) => Some(Why::Unknown),
        (Some(_), Some(written)) if written != key.secret(secret) => Some(Why::Changed),
        (Some(there), Some(_)) => {
            let keys: BTreeSet<&str> = there.keys.iter().map(String::as_str).collect();
            let same = secret.values.keys().map(String::as_str).eq(keys);
            (!same).then_some(Why::Keys)
        }
    }
}

/// The names of the secrets that an environment has and nobody declares, sorted. Whether they may
/// go is for a person to say.
///
/// `declared` are those of the whole repository, not only of what is deployed now.
#[must_use]
pub fn orphans<'a>(
    stored: &[StoredSecret],
    declared: impl IntoIterator<Item = &'a SecretNames>,
) -> Vec<String> {
    let declared: BTreeSet<&str> = declared
        .into_iter()
        .flat_map(|names| names.required.iter().chain(&names.optional))
        .map(String::as_str)
        .chain([RECORD_SECRET])
        .collect();
    let orphans: BTreeSet<&String> = stored
        .iter()
        .map(|secret| &secret.name)
        .filter(|name| !declared.contains(name.as_str()))
        .collect();
    orphans.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests;
