use std::fmt;

use jiff::Timestamp;
use registry_model::Digest;
use serde::{Deserialize, Serialize};

/// Why a receipt is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Refusal {
    /// It is no statement in an envelope.
    Unreadable {
        /// What is wrong with it.
        problem: String,
    },
    /// Its bytes, or what it says, are not what the registry's digests say.
    Altered {
        /// What differs.
        problem: String,
    },
    /// Keys are configured, and nobody signed it.
    Unsigned,
    /// It was signed, and by its own word with keys that are not configured.
    UnknownKey {
        /// The names of the keys.
        names: Vec<String>,
    },
    /// It was signed by an identity, with a certificate instead of a key.
    Identity,
    /// It has a signature that claims, or does not deny, to be of a configured key, and is not: it
    /// was made without the key, or changed after it was signed.
    Forged,
    /// It is genuine, and about another image.
    Replayed {
        /// What it is about; three at most.
        names: Vec<Digest>,
    },
    /// It is about this digest in another repository.
    OtherRepository {
        /// The repositories that it names; three at most.
        names: Vec<String>,
    },
    /// It no longer counts.
    Expired {
        /// Since when.
        since: Timestamp,
    },
    /// There is a limit to the age, and it does not say when it was made.
    Undated,
    /// It says that it was made later than now.
    FromTheFuture {
        /// When.
        time: Timestamp,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { problem } => write!(f, "unreadable: {problem}"),
            Self::Altered { problem } => write!(f, "altered: {problem}"),
            Self::Unsigned => f.write_str("unsigned, and a key is configured"),
            Self::UnknownKey { names } => {
                write!(
                    f,
                    "signed with a key that is not configured: {}",
                    names.join(", ")
                )
            }
            Self::Identity => f.write_str("signed by an identity, which is not verified here"),
            Self::Forged => f.write_str(
                "forged: no configured key made its signature, or it was changed afterwards",
            ),
            Self::Replayed { names } => {
                let names: Vec<_> = names.iter().map(Digest::as_str).collect();
                write!(f, "replayed: it is about {}", names.join(", "))
            }
            Self::OtherRepository { names } => {
                write!(f, "about another repository: {}", names.join(", "))
            }
            Self::Expired { since } => write!(f, "expired at {since}"),
            Self::Undated => f.write_str("without a time, and the age is limited"),
            Self::FromTheFuture { time } => write!(f, "from the future: {time}"),
        }
    }
}
