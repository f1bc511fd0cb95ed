//! Runs other programs, and is the only crate of the workspace that does.
//!
//! Every child gets a process group of its own, so that a time-out or a cancellation ends the
//! whole family and not only its head. What a child prints is handed on line by line while it
//! runs, with every known secret replaced by `***`; the error of a failed run names the
//! redacted command line, the exit code and the last lines of standard error.
//!
//! ```
//! use process::Command;
//! use tokio_util::sync::CancellationToken;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let output = Command::new("echo").arg("hello").run(&CancellationToken::new()).await?;
//! assert_eq!(output.stdout_text().trim(), "hello");
//! # Ok::<(), process::ProcessError>(()) }).unwrap();
//! ```

mod command;
mod error;
mod lines;
mod redact;
mod spelling;
mod which;

pub use command::{Command, Output, Service, Stream};
pub use error::ProcessError;
pub use redact::Redactor;
pub use spelling::spellings;
pub use which::which;
