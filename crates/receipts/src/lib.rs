//! What has been proven about an image, kept beside it in its registry.
//!
//! A [`Receipt`](statement::Receipt) is an in-toto statement about one digest: it was built, it
//! was tested, it was deployed and called, it was let into an environment. It lies in a DSSE
//! [`Envelope`](dsse::Envelope), signed or not, and a [`Store`] keeps it as an artifact whose
//! subject is the image. So it goes where the image goes, and no other place remembers anything.
//!
//! * **Whoever can be asked for a receipt must judge it.** [`Store::read`] gives what lies there,
//!   flaws included; [`Policy::judge`](verify::Policy::judge) says of each whether it is believed
//!   and, if not, why; [`verify::standing`] what the believed ones prove. The latter two are pure.
//! * **One request an image.** The envelope also stands in the artifact's annotations, which the
//!   list of an image's artifacts repeats. A gate over a thousand images asks a thousand times.
//! * **The same receipt is one.** The bytes of a statement, its signature and its artifact follow
//!   from the receipt alone, so that storing it again changes nothing.
//! * **cosign understands it, and the other way round.** A signed receipt is also listed where
//!   `cosign verify-attestation --key` looks, and [`Store::read_all`] reads what cosign wrote.
//!
//! ```
//! use receipts::dsse::Envelope;
//! use receipts::statement::{Facts, Outcome, Predicate, Receipt, Acceptance};
//! use receipts::store::{Found, Source};
//! use receipts::verify::{Policy, Refusal};
//! use registry_model::PinnedImage;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let digit = |digit: &str| -> Result<PinnedImage, _> {
//!     format!("ghcr.io/acme/app@sha256:{}", digit.repeat(64)).parse()
//! };
//! let (image, other) = (digit("a")?, digit("b")?);
//! let accepted = Predicate::Acceptance(Acceptance {
//!     outcome: Outcome::Passed,
//!     suite: "smoke".into(),
//!     inputs: None,
//!     report: None,
//!     passed: vec!["answers".into()],
//!     warned: vec![],
//!     failed: vec![],
//! });
//! let receipt = Receipt::about(&image, Facts::at("2026-03-01T12:00:00Z".parse()?), accepted);
//!
//! // As if it had been copied from `image` to `other`.
//! let found = Found {
//!     place: other.clone(),
//!     image: other,
//!     source: Source::Referrer,
//!     promised: None,
//!     content: Ok(Envelope::seal(&receipt, None)),
//! };
//! let verdicts = Policy::default().judge(&[found], "2026-03-02T00:00:00Z".parse()?);
//! assert!(matches!(verdicts[0].refusal, Some(Refusal::Replayed { .. })));
//! # Ok(())
//! # }
//! ```

mod digest;
pub mod dsse;
mod error;
pub mod keys;
pub mod statement;
pub mod store;
pub mod verify;

pub use error::ReceiptsError;
pub use store::Store;
