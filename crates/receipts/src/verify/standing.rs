use std::fmt;

use jiff::Timestamp;
use registry_model::{Digest, Environment};
use serde::{Deserialize, Serialize};

use super::{Refusal, Verdict};
use crate::statement::{
    Acceptance, Decision, Deployment, Kind, Outcome, Predicate, Receipt, Smoke,
};

/// A kind of receipt that a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Requirement {
    /// The kind.
    pub kind: Kind,
    /// The environment that it must be about; `None` for any or none.
    pub environment: Option<Environment>,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.environment {
            Some(environment) => write!(f, "{} in {environment}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

/// How an image stands with a requirement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing<'a> {
    /// The newest receipt that is believed says that it passed.
    Passed(&'a Verdict),
    /// It says that it failed; or that something was deployed, and that nobody called it.
    Failed(&'a Verdict),
    /// There are receipts of that kind, by their own word, and none is believed; the newest. Or there
    /// is a failure, newer than all that is believed, that has expired or cannot be read: what it undid
    /// does not come back with that.
    Refused(&'a Verdict),
    /// There is none.
    Missing,
}

impl Requirement {
    /// Why an image with these receipts does not meet it; `None` when it does.
    #[must_use]
    pub fn lacks(&self, verdicts: &[Verdict]) -> Option<String> {
        match standing(verdicts, self) {
            Standing::Passed(_) => None,
            Standing::Missing => Some(format!("no receipt of {self}")),
            Standing::Failed(verdict) => {
                let receipt = verdict.receipt.as_ref();
                let time = receipt.and_then(|receipt| receipt.facts.time);
                let when = time.map(|time| format!(" at {time}")).unwrap_or_default();
                Some(match receipt.and_then(Receipt::outcome) {
                    Some(Outcome::Passed) => format!("nothing called the {self}{when}"),
                    Some(Outcome::Failed) | None => format!("{self} failed{when}"),
                })
            }
            Standing::Refused(verdict) => {
                let refusal = verdict.refusal.as_ref();
                let why = refusal.map(ToString::to_string).unwrap_or_default();
                Some(format!("the receipt of {self} is refused: {why}"))
            }
        }
    }

    /// Whether a verdict is about a receipt of that kind, by its own word or by that of its list.
    fn concerns(&self, verdict: &Verdict) -> bool {
        let (kind, environment) = match (&verdict.claim, &verdict.receipt) {
            (Some(claim), _) => (Some(claim.kind), claim.environment.as_ref()),
            (None, Some(receipt)) => (receipt.kind(), receipt.facts.environment.as_ref()),
            (None, None) => return false,
        };
        let wanted = self.environment.as_ref();
        kind == Some(self.kind) && wanted.is_none_or(|it| environment == Some(it))
    }
}

/// How an image with these receipts stands with `requirement`. A later failure undoes an earlier
/// success, and the other way round; of two of the same time, the failure counts.
#[must_use]
pub fn standing<'a>(verdicts: &'a [Verdict], requirement: &Requirement) -> Standing<'a> {
    let candidates = || verdicts.iter().filter(|it| requirement.concerns(it));
    let Some(newest) = newest(candidates().filter(|it| counts(it))) else {
        return newest(candidates()).map_or(Standing::Missing, Standing::Refused);
    };
    match newest.believed().map(is_enough) {
        Some(true) => Standing::Passed(newest),
        Some(false) => Standing::Failed(newest),
        None => Standing::Refused(newest),
    }
}

/// Whether a verdict has a say: it is believed, or it undoes what is.
fn counts(verdict: &Verdict) -> bool {
    match (&verdict.refusal, &verdict.claim, &verdict.receipt) {
        (None, _, _) => true,
        // It was genuine, and nothing that passed before it is any truer since.
        (Some(Refusal::Expired { .. }), _, Some(receipt)) => !is_enough(receipt),
        (Some(_), Some(claim), _) => claim.outcome == Outcome::Failed,
        _ => false,
    }
}

/// A deployment that nobody called proves that an app is there, and not that it works.
fn is_enough(receipt: &Receipt) -> bool {
    let called = !matches!(
        receipt.predicate,
        Predicate::Deployment(Deployment {
            smoke: Smoke::Skipped,
            ..
        })
    );
    called && receipt.outcome() == Some(Outcome::Passed)
}

/// The receipt by which somebody let the image into `environment` against the rules: the newest
/// promotion there that is believed, if it says so.
#[must_use]
pub fn bypass<'a>(verdicts: &'a [Verdict], environment: &Environment) -> Option<&'a Verdict> {
    let promotion = Requirement {
        kind: Kind::Promotion,
        environment: Some(environment.clone()),
    };
    match standing(verdicts, &promotion) {
        Standing::Failed(verdict) if is_bypass(verdict) => Some(verdict),
        _ => None,
    }
}

/// Whether a receipt that is believed is of a promotion against the rules.
#[must_use]
pub fn is_bypass(verdict: &Verdict) -> bool {
    matches!(
        verdict.believed().map(|receipt| &receipt.predicate),
        Some(Predicate::Promotion(promotion))
            if matches!(promotion.decision, Decision::Bypassed { .. })
    )
}

/// The receipt by which the image need not be tested again: the newest believed one of this suite
/// at these inputs, if it passed, and no newer failure has expired or cannot be read.
#[must_use]
pub fn already_accepted<'a>(
    verdicts: &'a [Verdict],
    suite: &str,
    inputs: &Digest,
) -> Option<&'a Verdict> {
    let same = |verdict: &&Verdict| match (&verdict.claim, &verdict.receipt) {
        // It may have been about any suite.
        (Some(claim), _) => claim.kind == Kind::Acceptance,
        (None, Some(receipt)) => matches!(
            &receipt.predicate,
            Predicate::Acceptance(Acceptance { suite: tested, inputs: Some(at), .. })
                if tested == suite && at == inputs
        ),
        (None, None) => false,
    };
    let newest = newest(verdicts.iter().filter(same).filter(|it| counts(it)))?;
    newest.believed().is_some_and(is_enough).then_some(newest)
}

fn newest<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> Option<&'a Verdict> {
    verdicts.max_by_key(|verdict| age_of(verdict))
}

/// Undated ones are the oldest.
fn age_of(verdict: &Verdict) -> (Option<Timestamp>, bool) {
    let (time, outcome) = match (&verdict.claim, &verdict.receipt) {
        (Some(claim), _) => (claim.time, Some(claim.outcome)),
        (None, Some(receipt)) => (receipt.facts.time, receipt.outcome()),
        (None, None) => (None, None),
    };
    (time, outcome != Some(Outcome::Passed))
}
