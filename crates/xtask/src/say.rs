//! Talk goes to standard error; standard output is for data.

use std::process::ExitCode;

use crate::error::Error;

/// One line of progress.
pub(crate) fn line(text: impl std::fmt::Display) {
    anstream::eprintln!("{text}");
}

/// Data for standard output.
pub(crate) fn data(text: impl std::fmt::Display) {
    anstream::println!("{text}");
}

/// The message of a task that failed, and its exit code.
pub(crate) fn failure(error: &Error) -> ExitCode {
    line(format_args!("error: failed to {error}"));
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        line(format_args!("caused by: {source}"));
        cause = source.source();
    }
    if let Some(hint) = error.hint() {
        line(format_args!("hint: {hint}"));
    }
    ExitCode::from(error.exit_code())
}
