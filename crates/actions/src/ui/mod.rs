//! What a person at a terminal sees: progress, tables and errors.

mod bars;
mod failure;
mod fields;
mod groups;
mod progress;
mod text;

pub(crate) use failure::Failure;
pub(crate) use progress::{Progress, Style};
pub(crate) use text::inert;
