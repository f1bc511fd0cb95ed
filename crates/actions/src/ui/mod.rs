//! What a person at a terminal sees: progress, tables and errors.

mod failure;
mod progress;

pub(crate) use failure::Failure;
pub(crate) use progress::{Progress, Style};
