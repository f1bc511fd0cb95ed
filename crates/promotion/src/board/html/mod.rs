//! The board as one page that needs nothing else: no network, no server, no other file.
//!
//! A person sees the numbers before any script runs, and without scripts at all. The rest is drawn
//! in the browser from a block of data, with text nodes only; the policy in the page's head names
//! the one script and the one style by their hashes and allows nothing else.

mod escape;
mod facts;
mod links;
mod pack;
mod page;

pub use page::{MARK, page};
