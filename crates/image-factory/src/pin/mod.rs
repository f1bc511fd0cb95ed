//! Writes what was built into the registry files, and proposes that as a pull request.

mod after;
mod age;
mod branch;
mod changes;
mod cover;
mod dry;
mod edits;
mod forge;
mod gather;
mod marker;
mod options;
mod preview;
mod propose;
mod prove;
mod report;
mod rivals;
mod settle;
mod strangers;
mod text;
mod tidy;

pub use changes::{PinChange, PinChanges, PinUnchanged, apply, changes};
pub use forge::Forge;
pub use gather::gather;
pub use options::{Dispatch, ProposeOptions};
pub use preview::preview;
pub use propose::propose;
pub use prove::prove;
pub use report::{PinAction, PinCommit, PinPreview, PinReport};
pub use text::{code, why};

#[cfg(test)]
mod tests;
