use jiff::Timestamp;
use registry_model::{Digest, Environment};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::read::Digests;
use super::text::Text;
use super::{Facts, PIPELINE, Subject};

/// Source: SLSA 1.0, `verification_summary/v1`.
pub(super) const TYPE: &str = "https://slsa.dev/verification_summary/v1";
/// The field for what the type has no place for, and the name of what is verified.
const KEY: &str = "https://github.com/org/pipeline/receipts/promotion/v1";
/// What a promotion that passed stands for. Names that begin with `SLSA_` are not ours to give.
const LEVEL: &str = "PIPELINE_PROMOTED";

/// The image was, or was not, let from one environment into the next. The latter is also the
/// environment in the [`Facts`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Promotion {
    /// Where it was proven.
    pub from: Environment,
    /// Where it goes.
    pub to: Environment,
    /// What was decided.
    pub decision: Decision,
    /// The manifests of the receipts that were looked at.
    pub receipts: Vec<Digest>,
}

/// What was decided about a promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// All rules were kept.
    Passed,
    /// A rule was not kept, and the image stays where it is.
    Failed,
    /// Somebody let it in although a rule was not kept. To other tools this says `FAILED`.
    Bypassed {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    verification_result: Word,
    time_verified: Option<Timestamp>,
    #[serde(default)]
    input_attestations: Vec<Input>,
    #[serde(rename = "https://github.com/org/pipeline/receipts/promotion/v1")]
    ours: Option<Ours>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    digest: Digests,
}

#[derive(Deserialize)]
struct Ours {
    from: Environment,
    to: Environment,
    bypass: Option<Bypass>,
}

#[derive(Deserialize)]
struct Bypass {
    by: Text,
    why: Text,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Word {
    Passed,
    Failed,
}

impl Promotion {
    pub(super) fn write(&self, subjects: &[Subject], facts: &Facts) -> Value {
        let passed = self.decision == Decision::Passed;
        let inputs = self.receipts.iter();
        let inputs: Vec<Value> = inputs
            .map(|digest| json!({ "digest": { "sha256": digest.hex() } }))
            .collect();
        let resource = subjects.first();
        let resource = resource.map(|it| format!("{}@{}", it.name, it.digest));
        let mut ours = json!({ "from": self.from, "to": self.to });
        if let Decision::Bypassed { by, why } = &self.decision {
            ours["bypass"] = json!({ "by": by, "why": why });
        }
        json!({
            "verifier": { "id": PIPELINE },
            "timeVerified": facts.time.map(|time| time.to_string()),
            "resourceUri": resource,
            "policy": { "uri": KEY },
            "inputAttestations": inputs,
            "verificationResult": if passed { "PASSED" } else { "FAILED" },
            "verifiedLevels": if passed { vec![LEVEL] } else { Vec::new() },
            "slsaVersion": "1.0",
            KEY: ours,
        })
    }
}

impl Wire {
    /// The promotion and when it was decided; `None` when it is somebody else's summary.
    pub(super) fn open(self) -> Option<(Promotion, Option<Timestamp>)> {
        let ours = self.ours?;
        let decision = match (self.verification_result, ours.bypass) {
            (Word::Passed, None) => Decision::Passed,
            (Word::Failed, Some(Bypass { by, why })) => Decision::Bypassed {
                by: by.into(),
                why: why.into(),
            },
            // One that says both was not written by us, and is not believed.
            (Word::Failed, None) | (Word::Passed, Some(_)) => Decision::Failed,
        };
        let receipts = self.input_attestations.into_iter();
        let promotion = Promotion {
            from: ours.from,
            to: ours.to,
            decision,
            receipts: receipts.filter_map(|it| it.digest.sha256()).collect(),
        };
        Some((promotion, self.time_verified))
    }
}
