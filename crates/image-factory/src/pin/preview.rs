use tokio_util::sync::CancellationToken;

use super::changes::PinChanges;
use super::dry::{Dry, NOT_OPENED};
use super::forge::Forge;
use super::options::ProposeOptions;
use super::propose::{Mode, carry_out};
use super::report::PinReport;
use crate::FactoryError;

/// What [`propose`](super::propose()) would do now, without doing it: the same decisions on the same
/// reads, while nothing is written. [`PinReport::preview`] has what would be written; the report has
/// no commit, and no pull request where one would be opened.
///
/// Others may write before the proposal itself, which then decides anew. Whose token it is, is asked
/// of the forge, as it decides whose commits are the bot's own.
///
/// # Errors
/// Those of [`propose`](super::propose()): what would be refused then is refused now.
pub async fn preview<F: Forge>(
    forge: &F,
    changes: &PinChanges,
    options: &ProposeOptions,
    cancel: &CancellationToken,
) -> Result<PinReport, FactoryError> {
    let dry = Dry::new(forge);
    let mut report = carry_out(&dry, changes, options, Mode::Dry, cancel).await?;
    let kept = dry.end();
    report.commit = None;
    report.pull_request = report
        .pull_request
        .filter(|request| request.number != NOT_OPENED)
        .map(|request| kept.as_read(request.number).cloned().unwrap_or(request));
    report.preview = Some(kept.into_preview(&options.branch));
    Ok(report)
}
