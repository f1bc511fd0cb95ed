//! Smoke: calling what was just deployed, and judging its reply.
//!
//! Each app gets up to three calls, one after the other; different apps are called side by side.
//! When one of the calls fails, those after it are skipped and say so.
//!
//! 1. **Smoke.** The function (default `smoke`) is called with one argument (default
//!    `{"ref": …, "mode": "mock"}`, which touches no provider). It passes when the call succeeds
//!    and, if the reply is a JSON envelope (an object, or text or bytes that hold one), its
//!    `status` is `success`. With `expect`, the reply must be an envelope, and what stands at each
//!    pointer must be the value given; `status` is then a field like any other. Text that begins
//!    like an object and cannot be read as one fails in either case.
//! 2. **Negative probe**, where the registry entry declares one: real mode must fail. It passes
//!    when the call succeeds, `status` of the envelope is `error` and `error.code` is the code
//!    declared. A success, another code, an exception or silence is a failure. A deployed function
//!    always has its secrets, so nobody can take one away for a single call: with
//!    `without: NAME` the payload is `{"ref": …, "mode": "real", "without": ["NAME"]}`, and the
//!    module has to do as if the secrets in that list were not there.
//! 3. **Canary**, in environments that ask for it: one call in real mode
//!    (`{"ref": …, "mode": "real"}`), judged like the smoke. It is made within a budget of calls
//!    and money: each canary is counted with its `max-cost`, or else with an equal share of the
//!    budget, before any is called, and those for which nothing is left are skipped and say so.
//!    The reply tells what it did cost, at the pointer `cost` or else at `/cost` or `/usage/cost`;
//!    more than its `max-cost` is a failure, and more than it was counted with is taken off what
//!    the others have.
//!
//! A payload that is an object without `ref` gets the ref of the processor; any other is sent as
//! it stands.
//!
//! **Who answers.** The calls are pinned to the version that was just deployed: the function is
//! looked up at that version, which gives it an identifier of its own, and containers of other
//! versions never get what is sent there. A reply does not tell its version, so there is nothing
//! to compare afterwards. Where Modal does not pin, calls are made without, and the report says
//! so. In any case a digest that an envelope carries (`image_digest`, `digest`,
//! `meta.image_digest`) must be the one that is pinned in the registry file.
//!
//! **Again.** Smokes and negative probes are tried again, with growing pauses, when the machinery
//! failed and not the function: a control plane that is unavailable, an internal failure, a
//! container that was evicted, ended or idle; and when an old container has answered a call that
//! was not pinned. What the function itself did (an exception, a time-out, a failure to start) is
//! final. A canary is never tried again: it may have cost something. All attempts together have
//! the time of one call, and when that is over, or the caller cancels, the call is cancelled at
//! Modal, too.
//!
//! What a report repeats of a reply, an exception or a traceback is redacted first and cut then,
//! and no line of it begins with what the container wrote.

mod again;
mod budget;
mod plan;
mod report;
mod run;
mod told;
mod verdict;

pub use budget::CanaryBudget;
pub use plan::{PlannedCall, PlannedSmoke, Price, SmokeOptions, Target, plan};
pub use report::{CallKind, CallReport, SmokeReport, Verdict};
pub use run::run;
pub use verdict::{Judgement, Rule, judge};
