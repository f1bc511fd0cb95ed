use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::target::Target;
use crate::FactoryError;
use crate::plan::BuildPlan;

/// Makes sure that the times of files cannot make a difference.
///
/// BuildKit sets later times to SOURCE_DATE_EPOCH and keeps earlier ones, by which two checkouts of
/// the same files would be two images. Changing the times of somebody's files, or copying them all,
/// is nobody's wish; so earlier ones are refused. A plan that was made elsewhere does not tell the
/// files: then nothing is checked.
pub(super) fn check(
    plan: &BuildPlan,
    targets: &[Target<'_>],
    root: &Path,
) -> Result<(), FactoryError> {
    let Some(epoch) = plan.settings.source_date_epoch else {
        return Ok(());
    };
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    for target in targets {
        let context = &target.item.context;
        let record = plan.record(target.item);
        for file in record.iter().flat_map(|record| record.files.keys()) {
            let folders = Path::new(file).ancestors();
            seen.extend(folders.map(|path| context.join(path)));
        }
    }
    for file in seen {
        // What is gone meanwhile is for the builder to tell.
        let time = root.join(&file).symlink_metadata();
        if time.is_ok_and(|metadata| metadata.mtime() < epoch) {
            return Err(FactoryError::OlderThanEpoch { file, epoch });
        }
    }
    Ok(())
}
