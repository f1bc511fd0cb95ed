//! Calling a function with Modal's own package.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use process::ProcessError;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{CliControl, python};
use crate::ModalError;
use crate::client::{Call, Reply, decode};
use crate::error::CallFailure;

const PROGRAM: &str = include_str!("call.py");
/// What starting Python, and cancelling a call that is late, may take beside the call.
const AROUND: Duration = Duration::from_secs(90);

/// How it went, as the program tells it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Outcome {
    call_id: String,
    version: Option<u32>,
    /// The CBOR of what was returned, in base64.
    value: Option<String>,
    failed: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    status: String,
    exception: String,
    traceback: String,
}

pub(super) async fn run(
    control: &CliControl,
    call: &Call<'_>,
    cancel: &CancellationToken,
) -> Result<Reply, ModalError> {
    let what = format!("call `{}` of app `{}`", call.function, call.app);
    let request = serde_json::json!({
        "environment": call.environment.as_str(),
        "app": call.app,
        "function": call.function,
        "version": call.version,
        "payload": call.payload,
        "timeout": call.timeout.as_secs_f64(),
    });
    let name = call.app.to_owned();
    let (_folder, command) = python::run_of(control, PROGRAM, &request, &what)?;
    let output = command
        // Plain values both ways: what comes back is not code.
        .env("MODAL_PAYLOAD_FORMAT", "cbor")
        .timeout(call.timeout.saturating_add(AROUND))
        .on_line(move |stream, line| {
            if stream == process::Stream::Stderr {
                tracing::debug!(app = %name, "{line}");
            }
        })
        .run(cancel)
        .await
        .map_err(|source| match source {
            ProcessError::Cancelled { .. } => call.interrupted(),
            ProcessError::TimedOut { .. } => call.timed_out(),
            source => control.cli.error(&what, source),
        })?;
    let odd = |problem: String| ModalError::CliAnswer {
        what: what.clone(),
        problem,
    };
    let outcome: Outcome = python::answer(&output, &what)?;
    if let Some(failure) = outcome.failed {
        return Err(call.failed(CallFailure {
            status: failure.status,
            exception: failure.exception,
            traceback: failure.traceback,
            exit_code: None,
            call_id: Some(outcome.call_id),
        }));
    }
    let Some(value) = outcome.value else {
        return Err(call.timed_out());
    };
    let bytes = STANDARD
        .decode(value)
        .map_err(|error| odd(error.to_string()))?;
    Ok(Reply {
        value: decode(&bytes).map_err(odd)?,
        call_id: outcome.call_id,
        version: outcome.version,
    })
}
