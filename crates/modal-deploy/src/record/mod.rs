//! The deployment record of an environment: what was deployed, with which code and which secret
//! values, who may deploy next, and what a person holds back.
//!
//! It lives at Modal, where the apps live: as the **names of the keys** of one secret,
//! [`RECORD_SECRET`], which no app uses. Modal lists the names of keys (never values), and changes
//! single keys without touching the others, so that two runs do not overwrite each other. Where
//! it cannot be read (older servers), everything counts as unknown: secrets are
//! written and apps deployed, which is right, only slower.
//!
//! ```text
//! A_<app>_<version>_<digest>_<deploy>_<secrets>_<d|s>   deployed (d), and smoked (s)
//! S_<secret>_<fingerprint>                              the values that were written
//! S_<secret>_w<random>                                  a run is writing it, or ended meanwhile
//! R_<number>_<random>[_<app>…]                          the newest run, about these apps or all
//! H_<app>_<digest>                                      held at this digest by a person
//! ```
//! `<app>` and `<secret>` are the first 24 hexadecimal digits of the SHA-256 of the name; the
//! fingerprints are of [`crate::fingerprint`]. A key that is none of these is not ours: it says
//! nothing, and stays.

mod entry;
mod store;

use std::collections::BTreeSet;

use registry_model::Digest;
use secrecy::SecretString;

use crate::client::{KeyChange, StoredSecret};
use crate::fingerprint::Fingerprint;
use entry::{Entry, Subject};

pub use store::{read, write};

/// The secret whose keys are the record.
pub const RECORD_SECRET: &str = "pipeline-record";

/// What every key holds. Nobody reads it, and Modal may not take an empty value.
const VALUE: &str = "1";

/// How many apps a claim can name.
const MOST_APPS: usize = 4;

/// What was last deployed under the name of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The version at Modal that this mark speaks of; a live version that is another was made by
    /// somebody else.
    pub version: u32,
    /// The image.
    pub digest: Digest,
    /// Of all that a deploy depends on, but the values of secrets.
    pub deploy: Fingerprint,
    /// Of the values of its secrets.
    pub secrets: Fingerprint,
    /// Whether its smoke passed at this version.
    pub smoked: bool,
}

/// The newest run that announced itself; later ones compare greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Counts the runs of the environment.
    pub number: u64,
    /// Tells two apart that announced themselves at the same time: lower-case letters and digits.
    pub random: String,
    /// What it is about, sorted; empty for all apps of the environment.
    apps: Vec<Subject>,
}

/// The record as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    keys: BTreeSet<String>,
}

/// One change of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This is live under the name of the app.
    Mark(String, Mark),
    /// Nobody knows what is live under the name of the app.
    Unmark(String),
    /// These values were written to the secret.
    Secret(String, Fingerprint),
    /// The values that the secret is known to have are about to be overwritten. Whatever other
    /// runs say meanwhile, they count as unknown until a run has said which they are.
    Forget(String),
    /// This is the newest run.
    Claim(Claim),
    /// The app stays at this digest until the hold is released.
    Hold(String, Digest),
    /// The app is free again.
    Release(String),
}

impl Record {
    /// The record among the secrets of an environment: empty when there is none yet, `None` when
    /// the server does not tell the keys of secrets.
    #[must_use]
    pub fn among(secrets: &[StoredSecret]) -> Option<Self> {
        if !secrets.is_empty() && secrets.iter().all(|secret| secret.keys.is_empty()) {
            return None;
        }
        let keys = secrets
            .iter()
            .find(|secret| secret.name == RECORD_SECRET)
            .map(|secret| secret.keys.iter().cloned().collect());
        Some(Self {
            keys: keys.unwrap_or_default(),
        })
    }

    /// What was last deployed as `app`. Of several marks the highest version counts, and none
    /// where two contradict each other about it.
    #[must_use]
    pub fn mark(&self, app: &str) -> Option<Mark> {
        let mut best: Option<Mark> = None;
        let mut contradicted = false;
        for entry in self.entries(&entry::marks_of(app)) {
            let Entry::Mark(_, mark) = entry else {
                continue;
            };
            match &mut best {
                Some(best) if best.version > mark.version => {}
                Some(best) if best.version == mark.version => {
                    // Of two runs at the same time, one may have smoked already.
                    best.smoked |= mark.smoked;
                    let smoked = best.smoked;
                    contradicted |= *best != Mark { smoked, ..mark };
                }
                _ => {
                    best = Some(mark);
                    contradicted = false;
                }
            }
        }
        best.filter(|_| !contradicted)
    }

    /// The fingerprint of what was last written to `secret`; none where two runs wrote different
    /// values, as nobody knows which came last, or where one did not get to say what it wrote.
    #[must_use]
    pub fn secret(&self, secret: &str) -> Option<Fingerprint> {
        let of = entry::values_of(secret);
        let mut all = self.entries(&of);
        match (all.next(), all.next()) {
            (Some(Entry::Secret(_, print)), None) => Some(print),
            _ => None,
        }
    }

    /// The digest at which a person holds `app`; of several, always the same one, as a hold must
    /// not be lost.
    #[must_use]
    pub fn hold(&self, app: &str) -> Option<Digest> {
        self.entries(&entry::holds_of(app))
            .find_map(|entry| match entry {
                Entry::Hold(_, digest) => Some(digest),
                _ => None,
            })
    }

    /// The newest run.
    #[must_use]
    pub fn claim(&self) -> Option<Claim> {
        let claims = self.entries(entry::CLAIMS).filter_map(|entry| match entry {
            Entry::Claim(claim) => Some(claim),
            _ => None,
        });
        claims.max()
    }

    /// The newest run that came after `ours` and is about `app`.
    #[must_use]
    pub fn newer(&self, ours: &Claim, app: &str) -> Option<Claim> {
        let claims = self.entries(entry::CLAIMS).filter_map(|entry| match entry {
            Entry::Claim(claim) if claim > *ours && claim.is_about(app) => Some(claim),
            _ => None,
        });
        claims.max()
    }

    /// Makes `change`, and undoes what it replaces.
    pub(crate) fn apply(&mut self, change: &Change) {
        let (about, new) = match change {
            Change::Mark(app, mark) => (
                entry::marks_of(app),
                Some(Entry::Mark(Subject::of(app), mark.clone())),
            ),
            Change::Unmark(app) => (entry::marks_of(app), None),
            Change::Secret(secret, print) => (
                entry::values_of(secret),
                Some(Entry::Secret(Subject::of(secret), print.clone())),
            ),
            Change::Forget(secret) => (
                entry::values_of(secret),
                Some(Entry::Writing(Subject::of(secret), entry::random())),
            ),
            Change::Claim(claim) => (entry::CLAIMS.to_owned(), Some(Entry::Claim(claim.clone()))),
            Change::Hold(app, digest) => (
                entry::holds_of(app),
                Some(Entry::Hold(Subject::of(app), digest.clone())),
            ),
            Change::Release(app) => (entry::holds_of(app), None),
        };
        let replaced: Vec<String> = self
            .entries(&about)
            .filter(|old| match (old, &new) {
                // A run does not end one that came after it.
                // One for a few apps says nothing about the others.
                (Entry::Claim(old), Some(Entry::Claim(new))) => {
                    old < new && (new.apps.is_empty() || new.apps == old.apps)
                }
                _ => true,
            })
            .map(|entry| entry.to_string())
            .collect();
        if replaced.is_empty() && matches!(change, Change::Forget(_)) {
            // Of what nobody knows, nothing is to be forgotten.
            return;
        }
        for key in &replaced {
            self.keys.remove(key);
        }
        self.keys.extend(new.map(|entry| entry.to_string()));
    }

    /// How Modal is told to go from this record to `changed`.
    fn difference(&self, changed: &Self) -> Vec<KeyChange> {
        let set = changed
            .keys
            .difference(&self.keys)
            .map(|key| KeyChange::Set(key.clone(), SecretString::from(VALUE)));
        let removed = self
            .keys
            .difference(&changed.keys)
            .map(|key| KeyChange::Remove(key.clone()));
        set.chain(removed).collect()
    }

    /// What the keys that begin with `about` say.
    fn entries(&self, about: &str) -> impl Iterator<Item = Entry> {
        self.keys
            .range(about.to_owned()..)
            .take_while(move |key| key.starts_with(about))
            .filter_map(|key| Entry::parse(key))
    }
}

impl Claim {
    /// That of a run which begins after `last` was read.
    #[must_use]
    pub fn after(last: Option<&Self>) -> Self {
        Self {
            number: last.map_or(0, |last| last.number).saturating_add(1),
            random: entry::random(),
            apps: Vec::new(),
        }
    }

    /// The same for a run that is about these apps only. With more of them than fit into the name
    /// of a key, it stays one about all.
    #[must_use]
    pub fn only<'a>(mut self, apps: impl IntoIterator<Item = &'a str>) -> Self {
        self.apps = apps.into_iter().map(Subject::of).collect();
        self.apps.sort();
        self.apps.dedup();
        if self.apps.len() > MOST_APPS {
            self.apps.clear();
        }
        self
    }

    fn is_about(&self, app: &str) -> bool {
        self.apps.is_empty() || self.apps.contains(&Subject::of(app))
    }
}

#[cfg(test)]
mod tests;
