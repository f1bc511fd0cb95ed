use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use process::{Command, Service, Stream};

use crate::error::Error;

/// The services are on this machine; when one takes longer, it does not come.
const LIMIT: Duration = Duration::from_secs(30);

/// Starts `pipeline serve …`, whose first line is `prefix` and where the service is.
///
/// # Errors
/// When it does not come up, or says something else.
pub(crate) async fn serve(
    pipeline: &Path,
    args: &[&str],
    environment: &[(&'static str, OsString)],
    prefix: &'static str,
) -> Result<(Service, String), Error> {
    let (send, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let command = Command::new(pipeline).arg("serve").args(args);
    let command = environment
        .iter()
        .fold(command, |command, (name, value)| command.env(name, value));
    let service = command
        .on_line(move |stream, line| {
            if let (Stream::Stdout, Some(place)) = (stream, line.strip_prefix(prefix)) {
                // Nobody listens any more after the first one.
                let _ = send.send(place.trim().to_owned());
            }
        })
        .start()?;
    match tokio::time::timeout(LIMIT, lines.recv()).await {
        Ok(Some(place)) => Ok((service, place)),
        _ => Err(Error::format(
            format!("what `pipeline serve {}` says", args.join(" ")),
            "it names no place",
        )),
    }
}
