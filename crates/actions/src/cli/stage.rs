use crate::ui::Failure;

/// How a stage ended, with one line about it.
pub(super) enum End {
    Done(String),
    NotConfigured(String),
    Skipped(String),
    Failed(String),
}

/// Runs one stage, and tells of its start and its end.
pub(super) async fn stage<T>(
    name: &str,
    work: impl Future<Output = Result<T, Failure>>,
    end: impl FnOnce(&T) -> End,
) -> Result<T, Failure> {
    tracing::info!(target: "pipeline::progress", stage = name, status = "start", "");
    let ended = work.await;
    let (status, line) = match &ended {
        Ok(value) => match end(value) {
            End::Done(line) => ("done", line),
            End::NotConfigured(line) => ("not-configured", line),
            End::Skipped(line) => ("skipped", line),
            End::Failed(line) => ("failed", line),
        },
        // The whole text comes at the end, once.
        Err(_) => ("failed", String::new()),
    };
    tracing::info!(target: "pipeline::progress", stage = name, status, "{line}");
    ended
}
