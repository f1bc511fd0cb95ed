use std::ffi::OsStr;
use std::time::Duration;

use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// A question to a program of the machine takes no longer than this.
const LIMIT: Duration = Duration::from_secs(20);

/// What a program says, or `None` when it is not there or does not end well.
///
/// # Errors
/// Only on cancellation: everything else is an answer.
pub(crate) async fn ask<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: &[S],
    cancel: &CancellationToken,
) -> Result<Option<String>, Error> {
    Ok(ask_why(program, args, cancel).await?.ok())
}

/// As [`ask`], with the reason of a no.
///
/// # Errors
/// Only on cancellation.
pub(crate) async fn ask_why<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: &[S],
    cancel: &CancellationToken,
) -> Result<Result<String, ProcessError>, Error> {
    let command = Command::new(program)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .timeout(LIMIT);
    match command.run(cancel).await {
        Ok(output) => Ok(Ok(output.stdout_text())),
        Err(error) if error.is_cancelled() => Err(error.into()),
        Err(error) => Ok(Err(error)),
    }
}
