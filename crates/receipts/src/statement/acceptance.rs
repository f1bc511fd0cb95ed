use registry_model::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Outcome;
use super::read::Digests;
use super::text::{Text, Texts};

/// Source: in-toto attestation, `spec/predicates/test-result.md`.
pub(super) const TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// The image was tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Acceptance {
    /// How it went. Warnings alone are no failure.
    pub outcome: Outcome,
    /// The name of the suite.
    pub suite: String,
    /// Over all that the suite's verdict depends on besides the image: the same suite at the same
    /// inputs need not run again. `None` where nobody computed it.
    pub inputs: Option<Digest>,
    /// Where the whole report is.
    pub report: Option<String>,
    /// The tests that passed.
    pub passed: Vec<String>,
    /// The tests that passed with a warning.
    pub warned: Vec<String>,
    /// The tests that failed.
    pub failed: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    result: Result,
    #[serde(default)]
    configuration: Vec<Configuration>,
    url: Option<Text>,
    #[serde(default)]
    passed_tests: Texts,
    #[serde(default)]
    warned_tests: Texts,
    #[serde(default)]
    failed_tests: Texts,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Result {
    Passed,
    Warned,
    Failed,
}

#[derive(Deserialize)]
struct Configuration {
    name: Option<Text>,
    #[serde(default)]
    digest: Digests,
}

impl Acceptance {
    pub(super) fn write(&self) -> Value {
        let mut configuration = json!({ "name": self.suite });
        if let Some(inputs) = &self.inputs {
            configuration["digest"] = json!({ "sha256": inputs.hex() });
        }
        let result = match (self.outcome, self.warned.is_empty()) {
            (Outcome::Failed, _) => "FAILED",
            (Outcome::Passed, false) => "WARNED",
            (Outcome::Passed, true) => "PASSED",
        };
        let mut value = json!({ "result": result, "configuration": [configuration] });
        if let Some(report) = &self.report {
            value["url"] = report.clone().into();
        }
        value["passedTests"] = json!(self.passed);
        value["warnedTests"] = json!(self.warned);
        value["failedTests"] = json!(self.failed);
        value
    }
}

impl From<Wire> for Acceptance {
    fn from(wire: Wire) -> Self {
        let (suite, inputs) = match wire.configuration.into_iter().next() {
            Some(first) => (first.name, first.digest.sha256()),
            None => (None, None),
        };
        Self {
            outcome: match wire.result {
                Result::Passed | Result::Warned => Outcome::Passed,
                Result::Failed => Outcome::Failed,
            },
            suite: suite.map(String::from).unwrap_or_default(),
            inputs,
            report: wire.url.map(String::from),
            passed: wire.passed_tests.into(),
            warned: wire.warned_tests.into(),
            failed: wire.failed_tests.into(),
        }
    }
}
