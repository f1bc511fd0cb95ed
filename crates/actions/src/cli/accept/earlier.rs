//! What receipts say has passed already.

use std::time::Duration;

use acceptance::AcceptancePlan;
use receipts::Store;
use receipts::verify::Verdict;
use registry_model::{PinnedImage, ProcessorRef};
use tokio_util::sync::CancellationToken;

use crate::cli::context::{Context, images as client};
use crate::ui::Failure;

/// Asking may not take longer than what it could save.
const PATIENCE: Duration = Duration::from_secs(60);

/// The plan without what has passed already, as far as the registry tells.
pub(super) async fn leave_out(
    plan: AcceptancePlan,
    context: &Context,
    images: &[(ProcessorRef, PinnedImage)],
    cancel: &CancellationToken,
) -> Result<AcceptancePlan, Failure> {
    let nothing = plan.contract.get().is_none() && plan.suite.get().is_none();
    if plan.reduced || nothing || images.is_empty() {
        return Ok(plan);
    }
    let inputs = acceptance::inputs(&plan, images, cancel).await?;
    let verdicts = judged(context, images, cancel).await?;
    let plan = acceptance::skip(plan, inputs, images, &verdicts);
    for (reference, accepted) in &plan.accepted {
        for by in accepted {
            let part = by.part;
            tracing::info!(target: "pipeline::progress", stage = "acceptance", item = %reference, "{part} passed already: receipt {by}");
        }
    }
    Ok(plan)
}

/// The receipts of each image. Of one that cannot be asked about nothing is known, so that it runs.
async fn judged(
    context: &Context,
    images: &[(ProcessorRef, PinnedImage)],
    cancel: &CancellationToken,
) -> Result<Vec<Vec<Verdict>>, Failure> {
    let policy = context.config.receipts.policy(&context.root)?;
    let store = Store::new(client()?);
    let pinned: Vec<PinnedImage> = images.iter().map(|(_, image)| image.clone()).collect();
    let asked = store.judge_many(&pinned, &policy, cancel);
    let Ok(answers) = tokio::time::timeout(PATIENCE, asked).await else {
        let seconds = PATIENCE.as_secs();
        unknown(&format!("the registry did not answer within {seconds} s"));
        return Ok(vec![Vec::new(); images.len()]);
    };
    let mut problems = Vec::new();
    let mut judged = Vec::new();
    for answer in answers {
        match answer {
            Ok(verdicts) => judged.push(verdicts),
            Err(error) if error.is_cancelled() => return Err(error.into()),
            Err(error) => {
                problems.push(Failure::from(error).text());
                judged.push(Vec::new());
            }
        }
    }
    if let Some(first) = problems.first() {
        let first = first.trim_start_matches("error: ");
        let others = match problems.len() - 1 {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        unknown(&format!("{first}{others}"));
    }
    Ok(judged)
}

fn unknown(why: &str) {
    tracing::warn!("cannot tell what has passed already, so it runs again: {why}");
}
