//! What a person at a terminal sees: progress, tables and errors.

mod failure;
mod progress;

pub use failure::Failure;
pub use progress::{Progress, Style};
