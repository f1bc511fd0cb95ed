use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::decide::SecretStep;
use super::plan::{PlannedSecret, SecretPlan};
use super::report::{SecretOutcome, SecretReport, SyncReport};
use crate::error::chain;
use crate::fingerprint::FingerprintKey;
use crate::record::{self, Change, Record};
use crate::{Control, ModalError};

/// How many secrets are written side by side.
const AT_ONCE: usize = 20;

/// How long the record of what was written may take after the caller has cancelled.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Writes those secrets of `plan` that `steps` (of [`super::decide`]) say, side by side, and tells
/// the record which values Modal has then. Writing replaces all keys of a secret.
///
/// A secret that cannot be written does not keep the others back; after a cancellation, what was
/// written stays. Before a known value is overwritten, the record forgets it, so that whatever
/// happens in between, no later run takes an old value for the current one.
///
/// # Errors
/// When the record cannot be changed before the first write: nothing has been written.
pub async fn sync(
    control: &Control,
    plan: &SecretPlan,
    steps: &[SecretStep],
    key: &FingerprintKey,
    mut record: Option<&mut Record>,
    cancel: &CancellationToken,
) -> Result<SyncReport, ModalError> {
    let mut report = SyncReport::preview(plan, steps);
    let due = report.named(SecretOutcome::Due);
    let due = plan
        .secrets
        .iter()
        .filter(|secret| due.contains(&secret.name));
    let due: Vec<&PlannedSecret> = due.collect();
    if let Some(record) = record.as_deref_mut() {
        let forget = due.iter().map(|secret| Change::Forget(secret.name.clone()));
        let forget: Vec<Change> = forget.collect();
        record::write(control, &plan.environment, record, &forget, cancel).await?;
    }
    let mut ended: Vec<(usize, Result<(), ModalError>)> = stream::iter(due.iter().enumerate())
        .map(|(index, secret)| async move { (index, write(control, plan, secret, cancel).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    ended.sort_by_key(|(index, _)| *index);
    let ended: Vec<Result<(), ModalError>> = ended.into_iter().map(|(_, ended)| ended).collect();
    let mut redactor = plan.redactor();
    redactor.add(&control.options().token_secret);
    let made = due.iter().zip(&ended).filter(|(_, ended)| ended.is_ok());
    let made: Vec<Change> = made
        .map(|(secret, _)| Change::Secret(secret.name.clone(), key.secret(secret)))
        .collect();
    if let Some(trouble) = note(control, plan, record, &made, cancel).await {
        let trouble = redactor.apply(&trouble);
        tracing::warn!("{trouble}");
        report.warnings.push(trouble);
    }
    let due = |one: &&mut SecretReport| one.outcome == SecretOutcome::Due;
    for (secret, ended) in report.secrets.iter_mut().filter(due).zip(ended) {
        match ended {
            Ok(()) => secret.outcome = SecretOutcome::Written,
            Err(error) => {
                secret.outcome = match error.is_cancelled() {
                    true => SecretOutcome::Interrupted,
                    false => SecretOutcome::Failed,
                };
                secret.error = Some(redactor.apply(&chain(&error)));
                secret.hint = error.hint();
            }
        }
    }
    report.interrupted = !report.named(SecretOutcome::Interrupted).is_empty();
    Ok(report)
}

async fn write(
    control: &Control,
    plan: &SecretPlan,
    secret: &PlannedSecret,
    cancel: &CancellationToken,
) -> Result<(), ModalError> {
    let environment = &plan.environment;
    control
        .upsert_secret(environment, &secret.name, &secret.values, cancel)
        .await?;
    tracing::info!(target: "pipeline::progress", stage = "secrets", item = %secret.name, "written");
    Ok(())
}

/// Tells the record what was written, even when the caller cancels or has cancelled: not for long
/// then. Returns what people should know when that is not possible.
async fn note(
    control: &Control,
    plan: &SecretPlan,
    record: Option<&mut Record>,
    made: &[Change],
    cancel: &CancellationToken,
) -> Option<String> {
    let uncancelled = CancellationToken::new();
    let patience = async {
        cancel.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    let noted = tokio::select! {
        noted = record::write(control, &plan.environment, record?, made, &uncancelled) => noted,
        () = patience => Err(ModalError::Cancelled {
            what: format!("change the record of `{}`", plan.environment),
        }),
    };
    let error = noted.err()?;
    Some(format!(
        "failed to note which secrets were written, so that the next run writes them again: {}",
        chain(&error)
    ))
}
