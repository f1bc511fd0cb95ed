//! Writes what was built into the registry files, and proposes that as a pull request.

mod changes;
mod forge;
mod propose;
mod text;

pub use changes::{PinChange, PinChanges, apply, changes};
pub use forge::Forge;
pub use propose::{PinReport, ProposeOptions, propose};
pub use text::{body, title};

#[cfg(test)]
mod tests;
