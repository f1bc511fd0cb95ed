use std::time::Instant;

use super::report::{StageReport, Status};

/// Times the stages, tells of them while they run, and keeps what they came to.
pub(super) struct Stages<'a> {
    ended: &'a mut Vec<StageReport>,
    current: Option<(String, Instant)>,
}

impl<'a> Stages<'a> {
    pub(super) fn new(ended: &'a mut Vec<StageReport>) -> Self {
        Self {
            ended,
            current: None,
        }
    }

    pub(super) fn start(&mut self, stage: &str) {
        tracing::info!(target: "pipeline::progress", stage, status = "start", "");
        self.current = Some((stage.to_owned(), Instant::now()));
    }

    pub(super) fn done(&mut self, summary: impl Into<String>) {
        self.end(Status::Done, summary.into());
    }

    pub(super) fn not_configured(&mut self, add: &str) {
        self.end(Status::NotConfigured, format!("not configured: {add}"));
    }

    /// Ends the running stage, if there is one, as failed.
    pub(super) fn failed(&mut self, summary: impl Into<String>) {
        self.end(Status::Failed, summary.into());
    }

    fn end(&mut self, status: Status, summary: String) {
        let Some((stage, since)) = self.current.take() else {
            return;
        };
        let shown = match status {
            Status::Done => "done",
            Status::NotConfigured => "not-configured",
            Status::Failed => "failed",
        };
        let first_line = summary.lines().next().unwrap_or_default();
        tracing::info!(target: "pipeline::progress", stage, status = shown, "{first_line}");
        let seconds = since.elapsed().as_secs_f64();
        self.ended.push(StageReport {
            stage,
            status,
            seconds,
            summary,
        });
    }
}
