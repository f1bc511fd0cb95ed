//! The edit of a pin: find the bytes, replace them and no others, prove it.
//!
//! [`edit`] and [`without_pins`] are pure, [`set_file`] and [`set_files`] write.

mod batch;
mod blank;
mod edit;
mod entry;
mod error;
mod file;
mod insert;
mod proof;
mod span;
mod sync;

pub use batch::{PinRequest, set_files};
pub use blank::without_pins;
pub use edit::{Edit, edit};
pub use error::{Location, PinError, Refusal};
pub use file::{SetOutcome, set_file};
