use std::collections::BTreeMap;

use jiff::Timestamp;
use receipts::statement::Kind;
use receipts::verify::{Requirement, Standing, Verdict, already_accepted, standing};
use registry_model::{Digest, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

use crate::{AcceptancePlan, Configured, Inputs, Part};

/// A receipt for which a part need not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AcceptedBy {
    /// The part.
    pub part: Part,
    /// Where the receipt lies.
    pub receipt: PinnedImage,
    /// When it was made.
    pub time: Option<Timestamp>,
    /// Who made it, by its own word.
    pub by: Option<String>,
}

impl AcceptedBy {
    /// When it was made, to the second, for people.
    #[must_use]
    pub fn when(&self) -> Option<String> {
        let second = Timestamp::from_second(self.time?.as_second());
        second.ok().map(|time| time.to_string())
    }
}

impl std::fmt::Display for AcceptedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.receipt.digest)?;
        if let Some(when) = self.when() {
            write!(f, " of {when}")?;
        }
        if let Some(by) = &self.by {
            write!(f, " by {by}")?;
        }
        Ok(())
    }
}

/// Takes out of `plan` what has passed already at the same `inputs`: the contract of a processor by a
/// receipt of its image, and the suite, with its stack, when each image has one. `verdicts` are the
/// judged receipts of each of `images`, in their order.
///
/// An image whose newest believed receipt of acceptance is a failure has nothing taken out: what
/// failed last is looked at again, whatever passed before. And a reduced plan stays as it is, as
/// somebody asked for just that.
#[must_use]
pub fn skip(
    plan: AcceptancePlan,
    inputs: Inputs,
    images: &[(ProcessorRef, PinnedImage)],
    verdicts: &[Vec<Verdict>],
) -> AcceptancePlan {
    let mut plan = plan;
    if !plan.reduced {
        let judged: Vec<(&ProcessorRef, &[Verdict])> = images
            .iter()
            .zip(verdicts)
            .filter(|(_, verdicts)| is_accepted(verdicts))
            .map(|((reference, _), verdicts)| (reference, verdicts.as_slice()))
            .collect();
        contracts(&mut plan, &inputs, &judged);
        if judged.len() == images.len() {
            suite(&mut plan, &inputs, &judged);
        }
    }
    plan.inputs = Some(inputs);
    plan
}

fn is_accepted(verdicts: &[Verdict]) -> bool {
    let acceptance = Requirement {
        kind: Kind::Acceptance,
        environment: None,
    };
    matches!(standing(verdicts, &acceptance), Standing::Passed(_))
}

fn contracts(plan: &mut AcceptancePlan, inputs: &Inputs, judged: &[(&ProcessorRef, &[Verdict])]) {
    let Configured::Configured(contract) = &mut plan.contract else {
        return;
    };
    let mut passed = BTreeMap::new();
    for (reference, verdicts) in judged {
        let Some(inputs) = inputs.contract.get(*reference) else {
            continue;
        };
        if let Some(accepted) = find(verdicts, Part::Contract, inputs) {
            passed.insert((*reference).clone(), accepted);
        }
    }
    contract
        .cases
        .retain(|case| !passed.contains_key(&case.reference));
    if contract.cases.is_empty() {
        plan.contract = Configured::Accepted;
    }
    for (reference, accepted) in passed {
        plan.accepted.entry(reference).or_default().push(accepted);
    }
}

fn suite(plan: &mut AcceptancePlan, inputs: &Inputs, judged: &[(&ProcessorRef, &[Verdict])]) {
    let (Some(_), Some(inputs)) = (plan.suite.get(), &inputs.suite) else {
        return;
    };
    let found = judged.iter().map(|(reference, verdicts)| {
        let accepted = find(verdicts, Part::Suite, inputs)?;
        Some(((*reference).clone(), accepted))
    });
    let Some(found) = found.collect::<Option<Vec<_>>>() else {
        return;
    };
    // Without an image there is no receipt that could tell.
    if found.is_empty() {
        return;
    }
    plan.suite = Configured::Accepted;
    if plan.stack.get().is_some() {
        plan.stack = Configured::Accepted;
    }
    for (reference, accepted) in found {
        plan.accepted.entry(reference).or_default().push(accepted);
    }
}

fn find(verdicts: &[Verdict], part: Part, inputs: &Digest) -> Option<AcceptedBy> {
    let verdict = already_accepted(verdicts, &part.to_string(), inputs)?;
    let facts = verdict.receipt.as_ref().map(|receipt| &receipt.facts);
    Some(AcceptedBy {
        part,
        receipt: verdict.place.clone(),
        time: facts.and_then(|facts| facts.time),
        by: facts.and_then(|facts| facts.by.clone()),
    })
}

#[cfg(test)]
mod tests;
