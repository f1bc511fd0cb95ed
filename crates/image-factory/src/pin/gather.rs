use crate::FactoryError;
use crate::build::{BuildReport, Built, Outcome};

/// Makes one report of those of several machines, in their order. What several of them have, as
/// each reused it, is there once. It ended when the last of them did.
///
/// # Errors
/// When they have different images for the same pin, or images of different inputs: then they are
/// not about the same commit.
pub fn gather(reports: Vec<BuildReport>) -> Result<BuildReport, FactoryError> {
    let last = reports.iter().map(|report| report.ended_at).max();
    let mut gathered = BuildReport {
        schema: 1,
        ended_at: last.unwrap_or_default(),
        built: Vec::new(),
    };
    for built in reports.into_iter().flat_map(|report| report.built) {
        let place = |one: &&mut Built| {
            one.file == built.file
                && one.reference == built.reference
                && one.pin_platform == built.pin_platform
        };
        let Some(there) = gathered.built.iter_mut().find(place) else {
            gathered.built.push(built);
            continue;
        };
        if there.image != built.image {
            return Err(FactoryError::ReportsDisagree {
                item: built.name(),
                one: there.image.to_string(),
                other: built.image.to_string(),
            });
        }
        if there.key != built.key {
            return Err(FactoryError::ReportsDisagree {
                item: built.name(),
                one: format!("built from {}", there.key.short()),
                other: format!("built from {}", built.key.short()),
            });
        }
        // The machine that built it knows more.
        if there.decision == Outcome::Reused && built.decision != Outcome::Reused {
            *there = built;
        }
    }
    Ok(gathered)
}
