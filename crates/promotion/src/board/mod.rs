//! Where every digest stands: pinned, live and proven, environment by environment.

mod assemble;
pub mod html;
mod inputs;
mod model;
mod story;
mod summary;
#[cfg(test)]
mod tests;
mod timeline;
mod trail;

pub use assemble::assemble;
pub use inputs::{Inputs, Past, PinChange, Place, Running};
pub use model::{
    Board, Cell, Event, EventKind, EventMove, ImageStory, Live, Proof, ProofState, ReceiptLine, Row,
};
pub use summary::{MOST_ROWS, summary};
pub use trail::{Mark, Seen, Stop, Trail};
