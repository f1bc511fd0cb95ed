use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Outcome;
use super::text::Text;

/// Ours: there is no common type for a deployment. `docs/receipts.md` describes it.
pub(super) const TYPE: &str = "https://github.com/org/pipeline/receipts/deployment/v1";

/// The image was deployed to the environment that is in the [`super::Facts`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deployment {
    /// How the deployment and the call after it went, together.
    pub outcome: Outcome,
    /// The app that runs it.
    pub app: String,
    /// The version of the app, if one came to be.
    pub version: Option<u64>,
    /// What calling it brought.
    pub smoke: Smoke,
}

/// What calling what was deployed brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Smoke {
    /// It answered as it should.
    Passed,
    /// It did not.
    Failed,
    /// It was not called.
    Skipped,
}

#[derive(Deserialize)]
pub(super) struct Wire {
    result: Word,
    app: Text,
    version: Option<u64>,
    smoke: Word,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Word {
    Passed,
    Failed,
    Skipped,
}

impl Deployment {
    pub(super) fn write(&self) -> Value {
        let result = match self.outcome {
            Outcome::Passed => Word::Passed,
            Outcome::Failed => Word::Failed,
        };
        let smoke = match self.smoke {
            Smoke::Passed => Word::Passed,
            Smoke::Failed => Word::Failed,
            Smoke::Skipped => Word::Skipped,
        };
        let mut value = json!({ "result": result, "app": self.app, "smoke": smoke });
        if let Some(version) = self.version {
            value["version"] = version.into();
        }
        value
    }
}

impl From<Wire> for Deployment {
    fn from(wire: Wire) -> Self {
        let smoke = match wire.smoke {
            Word::Passed => Smoke::Passed,
            Word::Failed => Smoke::Failed,
            Word::Skipped => Smoke::Skipped,
        };
        // A deployment whose call failed did not pass, whatever it says itself.
        let passed = matches!(wire.result, Word::Passed) && smoke != Smoke::Failed;
        Self {
            outcome: Outcome::from(passed),
            app: wire.app.into(),
            version: wire.version,
            smoke,
        }
    }
}
