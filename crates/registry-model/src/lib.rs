//! Processor registry files: typed model, validation, selection, and the byte-exact edit of a pin.
//!
//! A repository says which processors it has, and which image of each should run, in small YAML
//! files. They are the contract between people, who write and review them, and the pipeline, which
//! writes one thing into them: the digest of the image that was built. This crate is the only
//! place that reads or writes them. It does three things.
//!
//! **Loading.** [`Registry::load`] finds the files of both layouts (one folder with a file for each
//! processor, or one folder with a `registry.yaml` for each), and turns them into [`Entry`] values
//! whose fields are checked: names, images, digests, paths that stay in the repository. All that
//! is wrong in any file is reported at once, as [`Findings`] with file, line, column and a code
//! that never changes its meaning ([`CODES`]). Hostile files (deep nesting, alias bombs, megabytes)
//! are findings, too. Fields that no stage reads are kept for [`Entry::document`].
//!
//! **Selection.** [`Registry::select`] finds entries by the names that people use, and offers the
//! nearest name for an unknown one.
//!
//! **Pinning.** [`edit`] changes the value of one pin in the text of a file, and not one byte
//! beside it: comments, quotes, line endings and indentation stay. It finds the bytes through the
//! events of a YAML parser, splices, parses the result again, and accepts it only if the events
//! are the same but for the pin. Where a splice could do harm (an alias, an anchor, a duplicate
//! key …) it refuses, and says why and in which line. [`set_file`] and [`set_files`] do the same
//! to files, atomically. [`without_pins`] gives the text that a pin does not change, for keys that
//! must not depend on what is pinned.
//!
//! ```
//! use registry_model::{Edit, LoadOptions, PinPlace, PinnedImage, Registry, SetOutcome};
//! use registry_model::{edit, set_file, without_pins};
//!
//! # let root = tempfile::tempdir()?;
//! # let root = root.path();
//! # std::fs::create_dir(root.join("code"))?;
//! # std::fs::write(root.join("code/Dockerfile"), "FROM scratch\n")?;
//! let text = "ref: llm/litellm@1   # the name\nimage:\n  oci: 'sha256:pending'   # by the bot\nbuild: {dockerfile: Dockerfile}\n";
//! std::fs::write(root.join("code/litellm.yaml"), text)?;
//!
//! let options = LoadOptions::new(["code/*.yaml"], "code");
//! let registry = Registry::load(root, &options)?;
//! let entry = registry.select(&["llm_litellm".into()])?[0];
//! assert_eq!(entry.reference.app_name(), "llm-litellm-v1");
//!
//! let digest = format!("sha256:{}", "0".repeat(64)).parse()?;
//! let image: PinnedImage = entry.repository("ghcr.io/acme/processors")?.at(digest);
//! let Edit::Changed(new) = edit(text.as_bytes(), &PinPlace::Oci, &image)? else {
//!     unreachable!("it was pending");
//! };
//! assert_eq!(new, text.replace("sha256:pending", &image.to_string()).as_bytes());
//! assert_eq!(without_pins(&new)?, without_pins(text.as_bytes())?);
//!
//! let file = root.join(&entry.file);
//! assert_eq!(set_file(&file, &PinPlace::Oci, &image)?, SetOutcome::Written);
//! assert_eq!(set_file(&file, &PinPlace::Oci, &image)?, SetOutcome::AlreadySo);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acceptance;
mod digest;
mod entry;
mod finding;
mod image;
mod load;
mod names;
mod pin;
mod select;
mod smoke;
mod yaml;

pub use acceptance::{
    AcceptanceSpec, ArtifactPath, Budget, Case, CaseInputs, CaseName, Limits, MediaType, Mode,
};
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
pub use smoke::{
    Canary, Cost, ErrorCode, Expect, ExpectError, FunctionName, JsonPointer, Negative, NegativeAsk,
    SmokeSpec,
};
