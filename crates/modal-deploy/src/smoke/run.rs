use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use process::Redactor;
use registry_model::{Environment, PinnedImage, ProcessorRef};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::verdict::{Judgement, judge};
use crate::client::Call;
use crate::report::{SmokeReport, Verdict, seconds};
use crate::{Client, ModalError};

/// How to smoke.
#[derive(Clone, Debug)]
pub struct SmokeOptions {
    /// The function to call; default `smoke`.
    pub function: String,
    /// How long one call may take, cold start included; default 5 minutes.
    pub timeout: Duration,
    /// How many calls run side by side; default 10.
    pub at_once: NonZeroUsize,
}

impl Default for SmokeOptions {
    fn default() -> Self {
        Self {
            function: "smoke".to_owned(),
            timeout: Duration::from_secs(300),
            at_once: const { NonZeroUsize::new(10).unwrap() },
        }
    }
}

/// An app to smoke.
#[derive(Clone, Debug)]
pub struct Target {
    /// The processor.
    pub reference: ProcessorRef,
    /// The app it is deployed as.
    pub app: String,
    /// The image that must answer.
    pub image: PinnedImage,
    /// The version that must answer, as far as it is known.
    pub version: Option<u32>,
}

/// Calls the smoke function of each target with `{"ref": …, "mode": "mock"}`, which touches no
/// provider, and judges the replies. The answers are in the order of the targets; one that fails
/// does not stop the others.
pub async fn run(
    client: &Client,
    environment: &Environment,
    targets: &[Target],
    options: &SmokeOptions,
    redactor: &Redactor,
    cancel: &CancellationToken,
) -> Vec<Result<SmokeReport, ModalError>> {
    stream::iter(targets)
        .map(|target| async move {
            let started = Instant::now();
            tracing::info!(target: "pipeline::progress", stage = "smoke", item = %target.app,
                "calling `{}`", options.function);
            let call = Call {
                environment,
                app: &target.app,
                function: &options.function,
                version: target.version,
                payload: serde_json::json!({"ref": target.reference, "mode": "mock"}),
                timeout: options.timeout,
            };
            let reply = client.call(&call, cancel).await;
            let (verdict, detail) = match reply {
                Ok(reply) => match judge(&reply, &target.image) {
                    Judgement::Failed(why) => (Verdict::Failed, Some(why)),
                    Judgement::Passed if reply.version != target.version => (
                        Verdict::Passed,
                        Some("Modal did not let us pin the version that answers".to_owned()),
                    ),
                    Judgement::Passed => (Verdict::Passed, None),
                },
                Err(error) if error.is_cancelled() => return Err(error),
                Err(error) => (Verdict::Failed, Some(crate::error::chain(&error))),
            };
            let report = SmokeReport {
                verdict,
                seconds: seconds(started.elapsed()),
                detail: detail.map(|text| redactor.apply(&text)),
            };
            let what = report.detail.as_deref().unwrap_or("as it should");
            tracing::info!(target: "pipeline::progress", stage = "smoke", item = %target.app,
                "{}: {what}", report.verdict);
            Ok(report)
        })
        .buffered(options.at_once.get())
        .collect()
        .await
}
