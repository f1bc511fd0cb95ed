use std::fmt;

use registry_model::Digest;
use sha2::{Digest as _, Sha256};

use super::{Claim, Mark};
use crate::fingerprint::{Fingerprint, is_short_hash, short_hash};

/// No environment sees as many runs. A higher number is none of ours, and would for ever be that
/// of the newest run.
const MOST_RUNS: u64 = 1 << 48;

/// What one key of the record says; its `Display` is the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Mark(Subject, Mark),
    Secret(Subject, Fingerprint),
    /// Some run is writing it, or ended while it was: it may have any values.
    Writing(Subject, String),
    Claim(Claim),
    Hold(Subject, Digest),
}

/// Stands for the name of an app or a secret, which may hold what the name of a key may not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject(String);

impl Subject {
    pub(super) fn of(name: &str) -> Self {
        Self(short_hash(&Sha256::digest(name)))
    }

    fn parse(text: &str) -> Option<Self> {
        is_short_hash(text).then(|| Self(text.to_owned()))
    }
}

impl Entry {
    /// What `key` says; `None` when it says nothing that we would have written like this.
    pub(super) fn parse(key: &str) -> Option<Self> {
        let parts: Vec<&str> = key.split('_').collect();
        let entry = match *parts.as_slice() {
            ["A", app, version, digest, deploy, secrets, state] => Self::Mark(
                Subject::parse(app)?,
                Mark {
                    version: version.parse().ok()?,
                    digest: digest_of(digest)?,
                    deploy: deploy.parse().ok()?,
                    secrets: secrets.parse().ok()?,
                    smoked: match state {
                        "d" => false,
                        "s" => true,
                        _ => return None,
                    },
                },
            ),
            ["S", secret, text] => {
                let secret = Subject::parse(secret)?;
                match text.strip_prefix('w') {
                    Some(random) if is_random(random) => Self::Writing(secret, random.to_owned()),
                    _ => Self::Secret(secret, text.parse().ok()?),
                }
            }
            ["R", number, random, ref apps @ ..] if is_random(random) => Self::Claim(Claim {
                number: number.parse().ok().filter(|number| *number < MOST_RUNS)?,
                random: random.to_owned(),
                apps: apps
                    .iter()
                    .map(|app| Subject::parse(app))
                    .collect::<Option<_>>()?,
            }),
            ["H", app, digest] => Self::Hold(Subject::parse(app)?, digest_of(digest)?),
            _ => return None,
        };
        // Of `007`, `+7` and `7` only one is ours.
        (entry.to_string() == key).then_some(entry)
    }
}

/// How all marks of an app begin.
pub(super) fn marks_of(app: &str) -> String {
    format!("A_{}_", Subject::of(app).0)
}

/// How all that is said about the values of a secret begins.
pub(super) fn values_of(secret: &str) -> String {
    format!("S_{}_", Subject::of(secret).0)
}

/// How all holds of an app begin.
pub(super) fn holds_of(app: &str) -> String {
    format!("H_{}_", Subject::of(app).0)
}

/// How all claims begin.
pub(super) const CLAIMS: &str = "R_";

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark(Subject(app), mark) => {
                let Mark {
                    version,
                    digest,
                    deploy,
                    secrets,
                    smoked,
                } = mark;
                let digest = digest.hex();
                let state = if *smoked { "s" } else { "d" };
                write!(f, "A_{app}_{version}_{digest}_{deploy}_{secrets}_{state}")
            }
            Self::Secret(Subject(secret), print) => write!(f, "S_{secret}_{print}"),
            Self::Writing(Subject(secret), random) => write!(f, "S_{secret}_w{random}"),
            Self::Claim(Claim {
                number,
                random,
                apps,
            }) => {
                write!(f, "R_{number}_{random}")?;
                apps.iter().try_for_each(|Subject(app)| write!(f, "_{app}"))
            }
            Self::Hold(Subject(app), digest) => write!(f, "H_{app}_{}", digest.hex()),
        }
    }
}

fn digest_of(digits: &str) -> Option<Digest> {
    format!("sha256:{digits}").parse().ok()
}

/// Tells two runs apart that do the same at the same time.
pub(super) fn random() -> String {
    let mut random = uuid::Uuid::new_v4().simple().to_string();
    random.truncate(12);
    random
}

fn is_random(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}
