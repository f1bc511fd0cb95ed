//! Asks an OCI registry about images, by digest, and survives the registry's bad moments.
//!
//! The pipeline names every image by its digest, so it needs few questions: which digest does a
//! tag stand for ([`Client::resolve`]), is this digest really there ([`Client::exists`]), what is
//! it ([`Client::describe`]), and one write, [`Client::tag`], which never moves a tag.
//!
//! Three habits of registries shape this crate:
//!
//! * **They fail for a moment.** Lost connections, 408, 429, 5xx and the HTML pages of a proxy in
//!   between are tried again with growing, jittered pauses; `Retry-After` is obeyed, and the
//!   [`RetryPolicy`] caps the whole. A refusal (401, 403) is final and is never tried again.
//! * **They hand out credentials in their own way.** A request goes out as it is; when the
//!   registry challenges it, the token is fetched with what `docker login` stored
//!   ([`Credentials::FromDocker`]) and kept. A registry without authentication thus costs exactly
//!   one request a question.
//! * **They hold more than images.** A digest may name an index, a manifest, a config, a layer or
//!   an attestation. Only the first two can be pulled; `describe` refuses the others by name.
//!
//! `oci-client` speaks the token exchange and gives the types of manifests. It neither tries
//! again nor shows response headers, so the few requests themselves are made here.
//!
//! Every call can be dropped at any moment: nothing goes on behind the caller's back.
//!
//! ```
//! use oci::{Client, ClientOptions, Credentials, RetryPolicy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(ClientOptions {
//!     credentials: Credentials::Anonymous,
//!     retry: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
//!     ..ClientOptions::default()
//! })?;
//! let repository = "127.0.0.1:1/example/hello".parse()?;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! // Nothing listens on port 1.
//! let error = client.resolve(&repository, "latest").await.unwrap_err();
//! assert_eq!(error.to_string(), "resolve `127.0.0.1:1/example/hello:latest`: no answer");
//! assert!(error.is_retryable());
//! # });
//! # Ok(())
//! # }
//! ```

mod auth;
mod client;
mod config;
mod credentials;
mod describe;
mod error;
mod host;
mod likeness;
mod manifest;
mod proxy;
mod push;
mod referrers;
mod retry;
mod tag;
mod transport;

pub use client::{Client, ClientOptions};
pub use config::ImageConfig;
pub use credentials::Credentials;
pub use describe::{ImageInfo, ImageKind};
pub use error::OciError;
pub use likeness::Likeness;
pub use referrers::{Artifact, Referrer};
pub use retry::RetryPolicy;
pub use tag::Tagged;
