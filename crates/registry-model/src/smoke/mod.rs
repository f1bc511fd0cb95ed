//! `smoke`: how a processor is called once it is deployed, and what its reply must be.

mod cost;
mod expect;
mod words;

use serde::Serialize;
use serde_json::Value;

pub use cost::Cost;
pub use expect::{Expect, ExpectError};
pub use words::{ErrorCode, FunctionName, JsonPointer};
pub(crate) use words::{checked, text};

/// `smoke` of a registry entry. An absent field is `None`: what holds for all processors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SmokeSpec {
    /// `function`: what is called.
    pub function: Option<FunctionName>,
    /// `payload`: its one argument.
    pub payload: Option<Value>,
    /// `expect`: what stands in the reply.
    pub expect: Option<Expect>,
    /// `timeout-seconds`: how long a call may take, cold start and retries included.
    pub timeout_seconds: Option<u64>,
    /// `negative`: the call that must fail.
    pub negative: Option<Negative>,
    /// `canary`: the call that may cost something.
    pub canary: Option<Canary>,
}

/// `smoke.negative`: a call in real mode that must answer with an error of its own, because a
/// secret is withheld from it or because its payload asks for the impossible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Negative {
    /// `without` or `payload`: what is sent.
    pub ask: NegativeAsk,
    /// `code`: what `error.code` of the reply must be.
    pub code: ErrorCode,
    /// `timeout-seconds`; default: that of the smoke.
    pub timeout_seconds: Option<u64>,
}

/// What a negative probe sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NegativeAsk {
    /// The name of a secret that the function shall do as if it did not have.
    Without(String),
    /// A payload of its own.
    Payload(Value),
}

/// `smoke.canary`: one call in real mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Canary {
    /// `payload`: its one argument.
    pub payload: Option<Value>,
    /// `max-cost`: what the call may cost.
    pub max_cost: Option<Cost>,
    /// `cost`: where the reply tells what it did cost.
    pub cost: Option<JsonPointer>,
    /// `timeout-seconds`; default: that of the smoke.
    pub timeout_seconds: Option<u64>,
}
