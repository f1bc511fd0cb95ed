use std::fmt;

use registry_model::Cost;
use serde::{Deserialize, Serialize};

/// What came of the calls to one app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SmokeReport {
    /// What came of it: one call that failed makes all fail.
    pub verdict: Verdict,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What there is to say about it: the trouble, else remarks.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The calls, in their order.
    pub calls: Vec<CallReport>,
}

/// What came of one call. A call is all its attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CallReport {
    /// What it was for.
    pub kind: CallKind,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How often it was tried.
    pub attempts: u32,
    /// Modal's id of the last attempt, `fc-…`, where it has one and ended.
    pub call_id: Option<String>,
    /// The version that the call was pinned to, where it could be.
    pub version: Option<u32>,
    /// What a canary did cost, as its reply tells.
    pub cost: Option<Cost>,
    /// What there is to say about it.
    pub detail: Option<String>,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallKind {
    /// It must succeed, without any provider.
    Smoke,
    /// It must fail with the error declared.
    Negative,
    /// It must succeed in real mode.
    Canary,
}

/// What came of a smoke, or of one call of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The reply is as it should be.
    Passed,
    /// The call failed, or its reply is not as it should be.
    Failed,
    /// There was nothing to call, or nobody wanted to.
    Skipped,
}

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smoke => "smoke",
            Self::Negative => "negative probe",
            Self::Canary => "canary",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}

impl CallReport {
    pub(super) fn skipped(kind: CallKind, why: String) -> Self {
        Self {
            kind,
            verdict: Verdict::Skipped,
            seconds: 0.0,
            attempts: 0,
            call_id: None,
            version: None,
            cost: None,
            detail: Some(why),
        }
    }

    /// What it has to say, with its kind unless that is the usual one.
    fn statement(&self) -> Option<String> {
        let detail = self.detail.as_ref()?;
        Some(match (self.kind, self.verdict) {
            (CallKind::Smoke, _) => detail.clone(),
            (kind, Verdict::Skipped) => format!("{kind} skipped: {detail}"),
            (kind, _) => format!("{kind}: {detail}"),
        })
    }
}

impl SmokeReport {
    pub(crate) fn skipped(why: &str) -> Self {
        Self {
            verdict: Verdict::Skipped,
            seconds: 0.0,
            detail: Some(why.to_owned()),
            hint: None,
            calls: Vec::new(),
        }
    }

    /// What calls come to together, but for the time and the advice.
    pub(super) fn of(calls: Vec<CallReport>) -> Self {
        let failed = calls.iter().find(|call| call.verdict == Verdict::Failed);
        let (verdict, detail) = match failed {
            Some(call) => (Verdict::Failed, call.statement()),
            None => {
                let said: Vec<String> = calls.iter().filter_map(CallReport::statement).collect();
                let said = Some(said.join("; ")).filter(|text| !text.is_empty());
                (Verdict::Passed, said)
            }
        };
        Self {
            verdict,
            seconds: 0.0,
            detail,
            hint: None,
            calls,
        }
    }
}
