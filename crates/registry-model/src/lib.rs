//! Processor registry files: typed model, validation, selection, and the byte-exact edit of a pin.

mod digest;
mod entry;
mod finding;
mod image;
mod load;
mod names;
mod pin;
mod select;
mod yaml;

pub use digest::{Digest, DigestError};
pub use entry::{BuildSpec, Entry, Pin, PinPlace, PinState, Runtime, SecretNames};
pub use finding::{CODES, Finding, Findings, Position, Severity};
pub use image::{ImageError, PinnedImage, Repository};
pub use load::{LoadOptions, Registry};
pub use names::{Environment, NameError, Platform, ProcessorRef};
pub use pin::{
    Edit, Location, PinError, PinRequest, Refusal, SetOutcome, edit, set_file, set_files,
    without_pins,
};
pub use select::{SelectionError, UnknownName};
