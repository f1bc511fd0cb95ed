//! YAML as events, as a tree with positions, and as bytes.

mod scalar;
mod source;
mod tree;

pub(crate) use scalar::{Resolved, resolve};
pub(crate) use source::{MAX_BYTES, Problem, Source};
pub(crate) use tree::{Kind, NodeId, Tree, each_event};
