use jiff::Timestamp;
use registry_model::Environment;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Text;

/// The field that carries [`Facts`] in the predicates of all kinds. The standard types have no
/// place for most of them, and ask that fields of others be named by a URI (in-toto attestation,
/// `spec/v1/README.md`, "Parsing rules").
pub(super) const KEY: &str = "https://github.com/org/pipeline/receipts/facts/v1";

/// When, who and where: what the kinds have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Facts {
    /// When it was over. Whatever we write has it; what others write may not.
    pub time: Option<Timestamp>,
    /// Who did it: an account, or the machinery.
    pub by: Option<String>,
    /// Where the run can be looked at.
    pub run: Option<String>,
    /// The commit it was done at.
    pub commit: Option<String>,
    /// The environment it is about.
    pub environment: Option<Environment>,
    /// From when on it no longer counts.
    pub expires: Option<Timestamp>,
}

/// The facts as they are written.
#[derive(Deserialize, Default)]
pub(super) struct Wire {
    time: Option<Timestamp>,
    by: Option<Text>,
    run: Option<Text>,
    commit: Option<Text>,
    environment: Option<Environment>,
    expires: Option<Timestamp>,
}

impl Facts {
    /// Facts of something that is over at `time`.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self {
            time: Some(time),
            ..Self::default()
        }
    }

    pub(super) fn write(&self) -> Value {
        let mut value = json!({});
        let fields = [
            ("time", self.time.map(|time| time.to_string())),
            ("by", self.by.clone()),
            ("run", self.run.clone()),
            ("commit", self.commit.clone()),
            (
                "environment",
                self.environment.as_ref().map(ToString::to_string),
            ),
            ("expires", self.expires.map(|time| time.to_string())),
        ];
        for (name, text) in fields {
            if let Some(text) = text {
                value[name] = text.into();
            }
        }
        value
    }
}

impl From<Wire> for Facts {
    fn from(wire: Wire) -> Self {
        Self {
            time: wire.time,
            by: wire.by.map(String::from),
            run: wire.run.map(String::from),
            commit: wire.commit.map(String::from),
            environment: wire.environment,
            expires: wire.expires,
        }
    }
}
