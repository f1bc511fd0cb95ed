//! The registry files of the target with other pins.

use std::collections::BTreeMap;
use std::path::Path;

use github::FileChange;
use registry_model::Edit;

use crate::{Comparison, Forge, PromotionError, PromotionPlan};

/// What the moves of `plan` change in the files of the target: the bytes of these pins, and nothing
/// else.
pub(crate) async fn files<F: Forge>(
    plan: &PromotionPlan,
    forge: &F,
) -> Result<Vec<FileChange>, PromotionError> {
    let mut by_file: BTreeMap<&Path, Vec<&Comparison>> = BTreeMap::new();
    for one in plan.moves() {
        let file = one.file.as_deref();
        let file = file.ok_or_else(|| failed(plan, one, Path::new("its file"), None))?;
        by_file.entry(file).or_default().push(one);
    }
    let mut changed = Vec::with_capacity(by_file.len());
    for (file, moves) in by_file {
        let path = file.to_string_lossy().into_owned();
        let read = forge.content(plan.target.as_str(), &path).await;
        let read = read.map_err(|source| PromotionError::Github {
            from: plan.from.clone(),
            to: plan.to.clone(),
            source,
        })?;
        let mut bytes = match (read, moves.first()) {
            (Some(bytes), _) => bytes,
            (None, Some(one)) => return Err(failed(plan, one, file, None)),
            (None, None) => continue,
        };
        for one in moves {
            let Some(image) = one.change.target() else {
                continue;
            };
            match registry_model::edit(&bytes, &one.place, image) {
                Ok(Edit::Unchanged) => {}
                Ok(Edit::Changed(new)) => bytes = new,
                Err(error) => return Err(failed(plan, one, file, Some(Box::new(error)))),
            }
        }
        changed.push(FileChange {
            path,
            bytes,
            executable: false,
        });
    }
    Ok(changed)
}

fn failed(
    plan: &PromotionPlan,
    one: &Comparison,
    file: &Path,
    source: Option<Box<registry_model::PinError>>,
) -> PromotionError {
    PromotionError::Pin {
        from: plan.from.clone(),
        to: plan.to.clone(),
        processor: one.reference.clone(),
        file: file.to_owned(),
        source,
    }
}
