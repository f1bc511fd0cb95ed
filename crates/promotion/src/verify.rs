use registry_model::PinnedImage;

use crate::{PromotionError, PromotionPlan, Standing};

/// Makes sure that the target pins what was planned: `after` is the target as it is read again.
///
/// # Errors
/// [`PromotionError::NotAsPlanned`] with every pin that is another.
pub fn verify(plan: &PromotionPlan, after: &Standing) -> Result<(), PromotionError> {
    let wrong: Vec<String> = plan
        .comparisons
        .iter()
        .filter_map(|one| {
            use crate::Change;
            let planned = match &one.change {
                Change::Same { image } => image,
                change => change.target()?,
            };
            let found = after.image(&one.reference, &one.place);
            (found != Some(planned)).then(|| {
                let short = |image: &PinnedImage| image.digest.short().to_owned();
                format!(
                    "{}: planned {}, and it is {}",
                    one.reference,
                    short(planned),
                    found.map_or_else(|| "not pinned".to_owned(), short)
                )
            })
        })
        .collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(PromotionError::NotAsPlanned {
            from: plan.from.clone(),
            to: plan.to.clone(),
            wrong,
        }),
    }
}
