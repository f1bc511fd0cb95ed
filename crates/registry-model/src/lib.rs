//! Processor registry files: typed model, validation, selection, and the byte-exact edit of a pin.

mod digest;
mod entry;
mod image;
mod names;

pub use digest::{Digest, DigestError};
pub use entry::{BuildSpec, Entry, Pin, PinPlace, PinState, SecretNames};
pub use image::{ImageError, PinnedImage, Repository};
pub use names::{Environment, NameError, Platform, ProcessorRef};
