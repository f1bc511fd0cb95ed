use std::num::NonZeroUsize;
use std::time::Duration;

use registry_model::{
    Canary, Cost, Expect, FunctionName, JsonPointer, Negative, NegativeAsk, PinnedImage,
    ProcessorRef, SmokeSpec,
};
use serde_json::{Map, Value, json};

use super::budget::{CanaryBudget, Purse};
use super::report::CallKind;
use super::verdict::Rule;

/// How to smoke, where a registry entry says nothing else.
#[derive(Clone, Debug)]
pub struct SmokeOptions {
    /// The function to call; `None`: `smoke`.
    pub function: Option<FunctionName>,
    /// Its argument; `None`: `{"ref": …, "mode": "mock"}`.
    pub payload: Option<Value>,
    /// What stands in the reply; `None`: see the rule of this module.
    pub expect: Option<Expect>,
    /// How long one call may take, cold start and retries included; default 5 minutes.
    pub timeout: Duration,
    /// How many apps are called side by side; default 10.
    pub at_once: NonZeroUsize,
    /// What canaries may take; `None`: there are none.
    pub canary: Option<CanaryBudget>,
}

impl Default for SmokeOptions {
    fn default() -> Self {
        Self {
            function: None,
            payload: None,
            expect: None,
            timeout: Duration::from_secs(300),
            at_once: const { NonZeroUsize::new(10).unwrap() },
            canary: None,
        }
    }
}

impl SmokeOptions {
    /// The function that is called where an entry names no other.
    #[must_use]
    pub fn function(&self) -> &str {
        self.function.as_ref().map_or("smoke", FunctionName::as_str)
    }
}

/// An app to smoke.
#[derive(Clone, Debug)]
pub struct Target {
    /// The processor.
    pub reference: ProcessorRef,
    /// The app it is deployed as.
    pub app: String,
    /// The image that must answer.
    pub image: PinnedImage,
    /// The version that must answer, as far as it is known.
    pub version: Option<u32>,
    /// `smoke` of its registry entry.
    pub smoke: Option<SmokeSpec>,
}

/// The calls to one app, in their order.
#[derive(Clone, Debug)]
pub struct PlannedSmoke {
    /// The app.
    pub target: Target,
    /// The calls.
    pub calls: Vec<PlannedCall>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCall {
    /// What it is for.
    pub kind: CallKind,
    /// The function.
    pub function: String,
    /// Its one argument.
    pub payload: Value,
    /// How long it may take, all attempts together.
    pub timeout: Duration,
    /// What the reply must be.
    pub rule: Rule,
    /// What a canary may cost.
    pub price: Option<Price>,
    /// Why the call is not made.
    pub skip: Option<String>,
}

/// What a canary may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// What the budget is charged before the call.
    pub counted: Cost,
    /// More than this is a failure.
    pub most: Option<Cost>,
    /// Where the reply tells the cost; `None`: `/cost` or `/usage/cost`.
    pub told_at: Option<JsonPointer>,
}

/// Decides which calls are made to each app, with what, and what their replies must be; asks
/// nobody. The answers are in the order of the targets, and so is the budget of the canaries
/// handed out.
#[must_use]
pub fn plan(targets: &[Target], options: &SmokeOptions) -> Vec<PlannedSmoke> {
    let mut purse = options.canary.map(Purse::new);
    let plan = |target: &Target| PlannedSmoke {
        target: target.clone(),
        calls: calls(target, options, purse.as_mut()),
    };
    targets.iter().map(plan).collect()
}

fn calls(target: &Target, options: &SmokeOptions, purse: Option<&mut Purse>) -> Vec<PlannedCall> {
    let spec = target.smoke.clone().unwrap_or_default();
    let timeout = seconds(spec.timeout_seconds).unwrap_or(options.timeout);
    let expect = spec.expect.or_else(|| options.expect.clone());
    let function = spec.function.as_ref();
    let mock = || json!({"mode": "mock"});
    let payload = spec.payload.or_else(|| options.payload.clone());
    let smoke = PlannedCall {
        kind: CallKind::Smoke,
        function: function
            .map_or(options.function(), FunctionName::as_str)
            .to_owned(),
        payload: with_ref(payload.unwrap_or_else(mock), target),
        timeout,
        rule: expect.map_or(Rule::Succeeds, Rule::Has),
        price: None,
        skip: None,
    };
    let mut calls = vec![smoke.clone()];
    if let Some(probe) = &spec.negative {
        calls.push(negative(probe, target, smoke.clone()));
    }
    if let Some(purse) = purse {
        calls.push(canary(
            &spec.canary.unwrap_or_default(),
            target,
            smoke,
            purse,
        ));
    }
    calls
}

/// The probe, which is the smoke with another payload and rule.
fn negative(probe: &Negative, target: &Target, smoke: PlannedCall) -> PlannedCall {
    let payload = match &probe.ask {
        NegativeAsk::Without(secret) => json!({"mode": "real", "without": [secret]}),
        NegativeAsk::Payload(payload) => payload.clone(),
    };
    PlannedCall {
        kind: CallKind::Negative,
        payload: with_ref(payload, target),
        timeout: seconds(probe.timeout_seconds).unwrap_or(smoke.timeout),
        rule: Rule::FailsWith(probe.code.clone()),
        ..smoke
    }
}

/// The canary, which is the smoke with another payload and a price.
fn canary(canary: &Canary, target: &Target, smoke: PlannedCall, purse: &mut Purse) -> PlannedCall {
    let real = || json!({"mode": "real"});
    let counted = canary.max_cost.unwrap_or_else(|| purse.share());
    PlannedCall {
        kind: CallKind::Canary,
        payload: with_ref(canary.payload.clone().unwrap_or_else(real), target),
        timeout: seconds(canary.timeout_seconds).unwrap_or(smoke.timeout),
        price: Some(Price {
            counted,
            most: canary.max_cost,
            told_at: canary.cost.clone(),
        }),
        skip: purse.take(counted).err(),
        ..smoke
    }
}

fn seconds(seconds: Option<u64>) -> Option<Duration> {
    seconds.map(Duration::from_secs)
}

fn with_ref(payload: Value, target: &Target) -> Value {
    match payload {
        Value::Object(fields) if !fields.contains_key("ref") => {
            let mut named = Map::new();
            named.insert("ref".to_owned(), json!(target.reference));
            named.extend(fields);
            Value::Object(named)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
