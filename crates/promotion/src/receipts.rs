use std::collections::BTreeMap;

use receipts::statement::{Decision, Draft, Facts, Predicate, Promotion};
use registry_model::{Digest, PinnedImage, ProcessorRef};

use crate::PromotionReport;

/// What a promotion proves about each image that it moves: it was let into the target by these
/// receipts, or against the rules by somebody for a reason.
///
/// `facts` say who, where and at which commit; the time is that of the report. A report of what
/// was only planned or refused gives none.
#[must_use]
pub fn receipts(report: &PromotionReport, facts: &Facts) -> Vec<Draft> {
    if report.pull_request.is_none() {
        return Vec::new();
    }
    let facts = Facts {
        time: Some(report.ended_at),
        environment: Some(report.to.clone()),
        ..facts.clone()
    };
    // One image may be that of several processors: what was held against one counts.
    let mut images: BTreeMap<&PinnedImage, Vec<&ProcessorRef>> = BTreeMap::new();
    for moved in &report.moves {
        images.entry(&moved.new).or_default().push(&moved.reference);
    }
    let draft = |(image, processors): (&PinnedImage, Vec<&ProcessorRef>)| {
        let admissions = report.processors.iter();
        let admissions = admissions.filter(|one| processors.contains(&&one.reference));
        let mut looked_at: Vec<Digest> = Vec::new();
        let mut against = false;
        for admission in admissions {
            against |= admission.is_refused();
            let proofs = admission.proofs.iter().filter(|it| it.image == *image);
            looked_at.extend(proofs.filter_map(|proof| proof.receipt.clone()));
        }
        looked_at.sort_unstable();
        looked_at.dedup();
        let decision = match &report.bypass {
            Some(bypass) if against => Decision::Bypassed {
                by: bypass.by.clone(),
                why: bypass.why.clone(),
            },
            _ if against => Decision::Failed,
            _ => Decision::Passed,
        };
        let promotion = Promotion {
            from: report.from.clone(),
            to: report.to.clone(),
            decision,
            receipts: looked_at,
        };
        Draft::about(image, facts.clone(), Predicate::Promotion(promotion))
    };
    images.into_iter().map(draft).collect()
}
