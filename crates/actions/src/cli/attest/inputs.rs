//! The inputs of a verdict let later runs leave out what passed at the same ones. So a report is not
//! believed about them: they are read again from the commit.

use std::collections::{BTreeMap, BTreeSet};

use acceptance::{AcceptanceError, Inputs, Part, Sources};
use receipts::statement::{Acceptance, Draft, Predicate};
use registry_model::{Entry, PinnedImage, Platform, ProcessorRef};
use tokio_util::sync::CancellationToken;

use crate::cli::accept;
use crate::cli::context::Context;
use crate::ui::Failure;

/// What this commit gives.
struct Known {
    inputs: Inputs,
    images: Vec<(ProcessorRef, PinnedImage)>,
}

/// Takes the inputs out of each receipt of acceptance that has others than the commit gives. The
/// receipt stays: it may be that something in the way of the job made the difference.
pub(super) async fn verify(
    drafts: &mut [Draft],
    context: &Context,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let mut acceptances: Vec<_> = drafts.iter_mut().filter_map(with_inputs).collect();
    if acceptances.is_empty() {
        return Ok(());
    }
    let known = match known(context, cancel).await {
        Ok(known) => Some(known),
        Err(error) if error.is_cancelled() => return Err(error.into()),
        Err(error) => {
            let text = Failure::from(error).text();
            let text = text.trim_start_matches("error: ");
            tracing::warn!("cannot tell what this commit's acceptance depends on: {text}");
            None
        }
    };
    let mut taken: BTreeMap<&str, BTreeSet<&PinnedImage>> = BTreeMap::new();
    for (image, acceptance) in &mut acceptances {
        let is_so = known.as_ref().is_some_and(|it| it.gives(image, acceptance));
        if !is_so {
            acceptance.inputs = None;
            taken.entry(&acceptance.suite).or_default().insert(image);
        }
    }
    for (suite, images) in taken {
        let images: Vec<String> = images.iter().map(|image| image.to_string()).collect();
        let (suite, images) = (suite.escape_debug(), images.join(", "));
        tracing::warn!(
            "no later run will leave out the {suite} for these receipts, as this commit does not \
             give the inputs that the report says: {images}"
        );
    }
    Ok(())
}

fn with_inputs(draft: &mut Draft) -> Option<(&PinnedImage, &mut Acceptance)> {
    let Predicate::Acceptance(acceptance) = &mut draft.receipt.predicate else {
        return None;
    };
    let has = acceptance.inputs.is_some();
    has.then_some((&draft.image, acceptance))
}

/// As `pipeline accept` finds it out, when it is asked for everything.
async fn known(context: &Context, cancel: &CancellationToken) -> Result<Known, AcceptanceError> {
    let entries: &[Entry] = &context.registry.entries;
    let images = acceptance::guard(entries, &Platform::linux_amd64())?;
    let options = accept::options(&context.root, &context.config);
    let sources = Sources::read(&options)?.with_cases(entries)?;
    let plan = acceptance::plan(&options, &sources)?;
    let inputs = acceptance::inputs(&plan, &images, cancel).await?;
    Ok(Known { inputs, images })
}

impl Known {
    fn gives(&self, image: &PinnedImage, acceptance: &Acceptance) -> bool {
        let said = acceptance.inputs.as_ref();
        if acceptance.suite == Part::Suite.to_string() {
            return self.inputs.suite.as_ref() == said;
        }
        let mut pinning = self.images.iter().filter(|(_, pinned)| pinned == image);
        acceptance.suite == Part::Contract.to_string()
            && pinning.any(|(reference, _)| self.inputs.contract.get(reference) == said)
    }
}
