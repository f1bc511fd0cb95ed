//! Where every digest stands: pinned, live and proven, environment by environment.

mod model;

pub use model::{
    Board, Cell, Event, EventKind, EventMove, ImageStory, Live, Proof, ProofState, ReceiptLine, Row,
};
