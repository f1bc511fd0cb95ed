//! What has been said about each image.

use std::collections::BTreeMap;

use receipts::statement::{Kind, Outcome, Predicate, Receipt};
use receipts::verify::{Requirement, Standing, Verdict, standing};
use registry_model::{Digest, PinnedImage};

use super::inputs::Inputs;
use super::{Board, ImageStory, ReceiptLine};

/// Receipts of one image that are told, the newest.
const MOST_RECEIPTS: usize = 100;
/// Characters of a text that somebody wrote.
const LONGEST: usize = 200;

/// Adds a story for each image that occurs: pinned now or before, live, or held.
pub(super) fn tell(inputs: &Inputs, board: &mut Board) {
    let mut images: BTreeMap<&Digest, &PinnedImage> = BTreeMap::new();
    for place in &inputs.places {
        for change in &place.past.changes {
            for image in change.added.iter().chain(&change.removed) {
                images.entry(&image.digest).or_insert(image);
            }
        }
    }
    // Of history, as much as the timeline tells.
    let moves = board.timeline.iter().flat_map(|event| &event.moves);
    let told = moves.flat_map(|one| [&one.old, &one.new]).flatten();
    let mut stories: BTreeMap<Digest, ImageStory> = told
        .filter_map(|digest| images.get(digest))
        .map(|image| story(image, inputs))
        .collect();
    let cells = board.processors.iter().flat_map(|row| &row.cells);
    for cell in cells {
        let Some(image) = &cell.pinned else { continue };
        stories
            .entry(image.digest.clone())
            .or_insert_with(|| story(image, inputs).1);
        if let Some(held) = &cell.held {
            let held = image.repository.at(held.clone());
            stories
                .entry(held.digest.clone())
                .or_insert_with(|| story(&held, inputs).1);
        }
    }
    board.images = stories;
}

fn story(image: &PinnedImage, inputs: &Inputs) -> (Digest, ImageStory) {
    let judged = inputs.judged.get(image).map(Result::as_deref);
    let verdicts = judged.and_then(Result::ok).unwrap_or_default();
    let built = Requirement {
        kind: Kind::Build,
        environment: None,
    };
    let source_commit = match standing(verdicts, &built) {
        Standing::Passed(verdict) => verdict
            .believed()
            .and_then(|receipt| receipt.facts.commit.as_deref())
            .map(short),
        _ => None,
    };
    let mut receipts: Vec<ReceiptLine> = verdicts.iter().map(line).collect();
    receipts.sort_by_key(|line| line.at);
    receipts.drain(..receipts.len().saturating_sub(MOST_RECEIPTS));
    let story = ImageStory {
        repository: image.repository.to_string(),
        source_commit,
        receipts,
    };
    (image.digest.clone(), story)
}

fn line(verdict: &Verdict) -> ReceiptLine {
    let receipt = verdict.receipt.as_ref();
    let known = receipt.and_then(Receipt::kind);
    let facts = receipt.map(|receipt| &receipt.facts);
    let kind = match (known, receipt) {
        (Some(kind), _) => kind.to_string(),
        (None, Some(receipt)) => short(receipt.predicate_type()),
        (None, None) => "unreadable".to_owned(),
    };
    let outcome = receipt.and_then(Receipt::outcome);
    ReceiptLine {
        kind,
        known,
        passed: outcome.map(|outcome| outcome == Outcome::Passed),
        refused: verdict.refusal.as_ref().map(|it| short(&it.to_string())),
        environment: facts.and_then(|facts| facts.environment.clone()),
        at: facts.and_then(|facts| facts.time),
        by: facts.and_then(|facts| facts.by.as_deref()).map(short),
        run: facts.and_then(|facts| facts.run.as_deref()).map(short),
        text: receipt.map(text).unwrap_or_default(),
    }
}

/// What it says beside its outcome.
fn text(receipt: &Receipt) -> String {
    match &receipt.predicate {
        Predicate::Build(build) => match &build.processor {
            Some(processor) => format!("of {processor}"),
            None => String::new(),
        },
        Predicate::Acceptance(acceptance) => {
            let mut parts = vec![short(&acceptance.suite)];
            for (tests, how) in [
                (&acceptance.passed, "passed"),
                (&acceptance.warned, "warned"),
                (&acceptance.failed, "failed"),
            ] {
                if !tests.is_empty() {
                    parts.push(format!("{} {how}", tests.len()));
                }
            }
            parts.join(", ")
        }
        Predicate::Deployment(deployment) => {
            use receipts::statement::Smoke;
            let version = deployment.version;
            let version = version.map_or_else(String::new, |it| format!(" v{it}"));
            let smoke = match deployment.smoke {
                Smoke::Passed => "smoke passed",
                Smoke::Failed => "smoke failed",
                Smoke::Skipped => "not called",
            };
            format!("{}{version}, {smoke}", short(&deployment.app))
        }
        Predicate::Promotion(promotion) => {
            use receipts::statement::Decision;
            let how = match &promotion.decision {
                Decision::Bypassed { by, why } => {
                    format!(", against the rules by {}: {}", short(by), short(why))
                }
                Decision::Passed | Decision::Failed => String::new(),
            };
            format!("{} → {}{how}", promotion.from, promotion.to)
        }
        Predicate::Other(_) => String::new(),
    }
}

fn short(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(LONGEST).collect()
}
