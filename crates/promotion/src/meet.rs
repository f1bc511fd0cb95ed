use std::collections::BTreeSet;

use registry_model::{PinPlace, ProcessorRef};

use crate::{PromotionPlan, Standing};

/// What a merge would make of the pins that both sides have changed since they were last together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meeting {
    /// Pins that only the target has changed: a merge leaves them as they are.
    pub reverted: BTreeSet<(ProcessorRef, PinPlace)>,
    /// Processors of which both have changed pins, as after a promotion of some processors: to git
    /// that is a conflict.
    pub contested: BTreeSet<ProcessorRef>,
}

/// Compares the moves of a plan with `base`, the last commit that source and target have in common.
#[must_use]
pub fn meet(plan: &PromotionPlan, base: &Standing) -> Meeting {
    let before = |one: &crate::Comparison| base.image(&one.reference, &one.place);
    let changed_there = plan.comparisons.iter();
    let changed_there = changed_there.filter(|one| one.change.current() != before(one));
    let changed_there: BTreeSet<&ProcessorRef> = changed_there.map(|one| &one.reference).collect();
    let mut meeting = Meeting::default();
    for one in plan.moves() {
        if one.change.target() == before(one) {
            let pin = (one.reference.clone(), one.place.clone());
            meeting.reverted.insert(pin);
        } else if changed_there.contains(&one.reference) {
            meeting.contested.insert(one.reference.clone());
        }
    }
    meeting
}
