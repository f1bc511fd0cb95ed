use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use process::Redactor;
use registry_model::{Cost, Environment};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::again;
use super::budget::Purse;
use super::plan::{PlannedCall, PlannedSmoke, Price, SmokeOptions, Target, plan};
use super::report::{CallKind, CallReport, SmokeReport, Verdict};
use super::told::told;
use super::verdict::{Judgement, judge};
use crate::client::{Call, Reply};
use crate::error::chain;
use crate::report::seconds;
use crate::{Control, ModalError};

/// Calls each target as [`plan`] decides, and judges the replies. The answers are in the order of
/// the targets; one that fails does not stop the others.
pub async fn run(
    control: &Control,
    environment: &Environment,
    targets: &[Target],
    options: &SmokeOptions,
    redactor: &Redactor,
    cancel: &CancellationToken,
) -> Vec<Result<SmokeReport, ModalError>> {
    let caller = Caller {
        control,
        environment,
        redactor,
        cancel,
        purse: options.canary.map(|budget| Mutex::new(Purse::new(budget))),
    };
    let planned = plan(targets, options);
    let mut reports: Vec<_> = stream::iter(planned.iter().enumerate())
        .map(|(index, smoke)| {
            let report = caller.app(smoke);
            async move { (index, report.await) }
        })
        .buffer_unordered(options.at_once.get())
        .collect()
        .await;
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

struct Caller<'a> {
    control: &'a Control,
    environment: &'a Environment,
    redactor: &'a Redactor,
    cancel: &'a CancellationToken,
    purse: Option<Mutex<Purse>>,
}

/// How one call ended, after all its attempts.
struct Ended {
    attempts: u32,
    reply: Option<Reply>,
    call_id: Option<String>,
    trouble: Option<String>,
    hint: Option<String>,
}

impl Caller<'_> {
    async fn app(&self, planned: &PlannedSmoke) -> Result<SmokeReport, ModalError> {
        let started = Instant::now();
        let mut calls: Vec<CallReport> = Vec::new();
        let mut hint = None;
        for call in &planned.calls {
            let failed = calls.iter().find(|call| call.verdict == Verdict::Failed);
            let skip = failed.map(|failed| format!("the {} failed", failed.kind));
            let report = match skip.or_else(|| self.unaffordable(call)) {
                Some(why) => CallReport::skipped(call.kind, why),
                None => {
                    let (report, advice) = self.call(&planned.target, call).await?;
                    hint = hint.or(advice);
                    report
                }
            };
            let what = report.detail.as_deref().unwrap_or("as it should");
            tracing::info!(target: "pipeline::progress", stage = "smoke",
                item = %planned.target.app, "{} {}: {what}", call.kind, report.verdict);
            calls.push(report);
        }
        Ok(SmokeReport {
            seconds: seconds(started.elapsed()),
            hint,
            ..SmokeReport::of(calls)
        })
    }

    /// Why there is no money for a call, which is then not made; else it is taken.
    fn unaffordable(&self, call: &PlannedCall) -> Option<String> {
        if call.skip.is_some() {
            return call.skip.clone();
        }
        let price = call.price.as_ref()?;
        self.purse()?.take(price.counted).err()
    }

    fn purse(&self) -> Option<MutexGuard<'_, Purse>> {
        let purse = self.purse.as_ref()?.lock();
        Some(purse.unwrap_or_else(PoisonError::into_inner))
    }

    async fn call(
        &self,
        target: &Target,
        call: &PlannedCall,
    ) -> Result<(CallReport, Option<String>), ModalError> {
        tracing::info!(target: "pipeline::progress", stage = "smoke", item = %target.app,
            "{}: calling `{}`", call.kind, call.function);
        let started = Instant::now();
        let ended = self.attempts(target, call, started).await?;
        let mut trouble = ended.trouble;
        let mut remarks: Vec<&str> = Vec::new();
        let mut cost = None;
        if let Some(reply) = &ended.reply {
            if let Some(price) = &call.price {
                cost = spent(reply, price);
                trouble = trouble.or(self.settle(price, cost));
                if cost.is_none() {
                    remarks.push("the reply does not tell its cost");
                }
            }
            match (reply.version, target.version) {
                (Some(_), _) => {}
                (None, Some(_)) => {
                    remarks.push("Modal did not let us pin the version that answers");
                }
                (None, None) => remarks.push("it is not known which version should answer"),
            }
        }
        let detail = match &trouble {
            Some(why) if ended.attempts > 1 => {
                Some(format!("after {} attempts: {why}", ended.attempts))
            }
            Some(why) => Some(why.clone()),
            None => Some(remarks.join("; ")).filter(|text| !text.is_empty()),
        };
        let call_id = ended.call_id.filter(|id| !id.is_empty());
        let report = CallReport {
            kind: call.kind,
            verdict: match trouble {
                Some(_) => Verdict::Failed,
                None => Verdict::Passed,
            },
            seconds: seconds(started.elapsed()),
            attempts: ended.attempts,
            call_id: call_id.map(|id| told(&id, self.redactor)),
            version: ended.reply.and_then(|reply| reply.version),
            cost,
            detail: detail.map(|text| told(&text, self.redactor)),
        };
        Ok((report, ended.hint))
    }

    /// Counts what a canary did cost; the answer is what is wrong with that.
    fn settle(&self, price: &Price, cost: Option<Cost>) -> Option<String> {
        let cost = cost?;
        if let Some(mut purse) = self.purse() {
            purse.settle(price.counted, cost);
        }
        let most = price.most.filter(|most| cost > *most)?;
        Some(format!("it cost {cost}, more than {most}"))
    }

    /// Calls until there is an answer, or no more sense in it. Only a cancellation is an error.
    async fn attempts(
        &self,
        target: &Target,
        call: &PlannedCall,
        started: Instant,
    ) -> Result<Ended, ModalError> {
        let deadline = started + call.timeout;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let request = Call {
                environment: self.environment,
                app: &target.app,
                function: &call.function,
                version: target.version,
                payload: call.payload.clone(),
                timeout: deadline.saturating_duration_since(Instant::now()),
            };
            let answer = self.control.call(&request, self.cancel).await;
            let (ended, again) = match answer {
                Ok(reply) => {
                    let (trouble, again) = match judge(&reply, target, &call.rule) {
                        Judgement::Passed => (None, false),
                        Judgement::Failed(why) => (Some(why), false),
                        // A version that is pinned will not answer otherwise the next time.
                        Judgement::Stale(why) => (Some(why), reply.version.is_none()),
                    };
                    let ended = Ended {
                        attempts,
                        call_id: Some(reply.call_id.clone()),
                        reply: Some(reply),
                        trouble,
                        hint: None,
                    };
                    (ended, again)
                }
                Err(error) if error.is_cancelled() => return Err(error),
                Err(error) => {
                    let again = again::is_transient(&error);
                    let call_id = match &error {
                        ModalError::CallFailed { failure, .. } => failure.call_id.clone(),
                        _ => None,
                    };
                    let error = within(error, call.timeout);
                    let ended = Ended {
                        attempts,
                        call_id,
                        reply: None,
                        hint: error.hint(),
                        trouble: Some(chain(&error)),
                    };
                    (ended, again)
                }
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let pause = again::pause(attempts).filter(|pause| *pause < left);
            let Some(pause) = pause.filter(|_| again && call.kind != CallKind::Canary) else {
                return Ok(ended);
            };
            let why = ended.trouble.unwrap_or_default();
            tracing::info!(target: "pipeline::progress", stage = "smoke", item = %target.app,
                "again in {pause:?}: {}", told(&why, self.redactor));
            let waited = tokio::time::sleep(pause);
            if self.cancel.run_until_cancelled(waited).await.is_none() {
                return Err(request.interrupted());
            }
        }
    }
}

/// The last of several attempts had only the rest of the time.
fn within(error: ModalError, timeout: Duration) -> ModalError {
    match error {
        ModalError::CallTimedOut { app, function, .. } => ModalError::CallTimedOut {
            app,
            function,
            after: timeout,
        },
        other => other,
    }
}

/// What a canary did cost, if its reply tells.
fn spent(reply: &Reply, price: &Price) -> Option<Cost> {
    let envelope = reply.envelope()?;
    let found = match &price.told_at {
        Some(place) => place.find(&envelope),
        None => envelope
            .pointer("/cost")
            .or_else(|| envelope.pointer("/usage/cost")),
    };
    let amount = found.and_then(|found| match found {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    });
    Cost::try_from(amount?).ok()
}
