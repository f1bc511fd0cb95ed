//! What each stage has in hand, and what it found out about it.

use acceptance::AcceptanceReport;
use image_factory::build::{BuildReport, Built};
use image_factory::pin::PinReport;
use image_factory::plan::{BuildPlan, Decision, Planned};
use modal_deploy::{AppReport, DeployReport, Deployed, Verdict};
use promotion::PromotionReport;
use promotion::board::{Mark, Stop};
use receipts::statement::{Facts, Outcome};
use registry_model::{Environment, PinnedImage};

use super::{Found, InHand};

pub(in super::super) fn of_plan(plan: &BuildPlan) -> Vec<InHand> {
    let hand = |item: &Planned| InHand {
        reference: item.reference.clone(),
        platform: item.pin_platform.clone(),
        image: match &item.decision {
            Decision::Reuse { digest } => Some(item.repository.at(digest.clone())),
            Decision::Build { .. } => None,
        },
        found: None,
    };
    plan.items.iter().map(hand).collect()
}

pub(in super::super) fn of_build(report: &BuildReport) -> Vec<InHand> {
    let hand = |built: &Built| InHand {
        reference: built.reference.clone(),
        platform: built.pin_platform.clone(),
        image: Some(built.image.clone()),
        found: None,
    };
    report.built.iter().map(hand).collect()
}

/// The pins that change.
pub(in super::super) fn of_pin(report: &PinReport) -> Vec<InHand> {
    let proposed = report
        .pull_request
        .as_ref()
        .filter(|_| report.preview.is_none());
    let found = proposed.and_then(|request| {
        let base: Environment = report.base.parse().ok()?;
        let note = format!("in request {}", request.number);
        Some((Found::In(base), Stop::new(Mark::NotYet, note)))
    });
    let changes = report.changes.changes.iter();
    changes
        .map(|change| InHand {
            reference: change.reference.clone(),
            platform: change.pin_platform.clone(),
            image: Some(change.new.clone()),
            found: found.clone(),
        })
        .collect()
}

/// Receipts are written later, by another job: here it is told from the same drafts.
pub(in super::super) fn of_acceptance(report: &AcceptanceReport) -> Vec<InHand> {
    let drafts = acceptance::receipts(report, &Facts::default());
    let stop = |image: &PinnedImage| {
        let mut outcomes = drafts
            .iter()
            .filter(|draft| draft.image == *image)
            .filter_map(|draft| draft.receipt.outcome())
            .peekable();
        outcomes.peek()?;
        Some(match outcomes.all(|outcome| outcome == Outcome::Passed) {
            true => Stop::new(Mark::Yes, ""),
            false => Stop::new(Mark::No, ""),
        })
    };
    let images = report.images.iter();
    images
        .map(|one| InHand {
            reference: one.reference.clone(),
            platform: None,
            found: stop(&one.image).map(|stop| (Found::Accepted, stop)),
            image: Some(one.image.clone()),
        })
        .collect()
}

pub(in super::super) fn of_deploy(report: &DeployReport) -> Vec<InHand> {
    let apps = report.apps.iter();
    apps.map(|app| InHand {
        reference: app.reference.clone(),
        platform: None,
        image: Some(app.image.clone()),
        found: Some((Found::In(report.environment.clone()), deployed(app))),
    })
    .collect()
}

fn deployed(app: &AppReport) -> Stop {
    let version = app.live.as_ref().and_then(|live| live.version);
    let live = version.map_or_else(|| "live".to_owned(), |version| format!("live v{version}"));
    let smoke = app.smoke.verdict;
    match app.deployed {
        Deployed::Failed => Stop::new(Mark::No, "deploy failed"),
        Deployed::Held => Stop::new(Mark::Here, "held by a person"),
        Deployed::Superseded => Stop::new(Mark::NotYet, "a later run deploys"),
        _ if smoke == Verdict::Failed => Stop::new(Mark::No, "smoke failed"),
        _ if app.error.is_some() => Stop::new(Mark::No, "deploy failed"),
        Deployed::Current => Stop::new(Mark::Yes, live),
        _ if smoke == Verdict::Passed => Stop::new(Mark::Yes, format!("{live}, smoke passed")),
        _ => Stop::new(Mark::Here, format!("{live}, not called")),
    }
}

/// The pins that change.
pub(in super::super) fn of_promotion(report: &PromotionReport) -> Vec<InHand> {
    let stop = match (&report.merged, &report.pull_request) {
        (Some(_), _) => Some(Stop::new(Mark::Here, "pinned now")),
        (None, Some(request)) => {
            let note = format!("in request {}", request.number);
            Some(Stop::new(Mark::NotYet, note))
        }
        (None, None) => None,
    };
    let found = stop.map(|stop| (Found::In(report.to.clone()), stop));
    let moves = report.moves.iter();
    moves
        .map(|one| InHand {
            reference: one.reference.clone(),
            platform: one.platform.clone(),
            image: Some(one.new.clone()),
            found: found.clone(),
        })
        .collect()
}
