//! Asks an OCI registry about images, by digest, and survives the registry's bad moments.
//!
//! The pipeline names every image by its digest, so it needs few questions: which digest does a
//! tag stand for ([`Client::resolve`]), is this digest really there ([`Client::exists`]), with all
//! that it lists ([`Client::is_whole`]), what is it ([`Client::describe`], [`Client::configs`], [`Client::children`]), and is it a change
//! ([`Client::compare`]). It writes as little: [`Client::tag`], which never moves a tag,
//! [`Client::move_tag`] for tags that are meant to move, and [`Client::attach`], which stores a
//! statement beside an image, for [`Client::referrers`] and [`Client::artifact`] to find again.
//! Before a build, [`Client::check_push`] tells whether its result could be stored at all.
//!
//! Some habits of registries shape this crate:
//!
//! * **They fail for a moment.** Lost connections, 408, 429, 5xx and the HTML pages of a proxy in
//!   between are tried again with growing, jittered pauses; `Retry-After` is obeyed, and the
//!   [`RetryPolicy`] caps the whole. A refusal (401, 403) is final and is never tried again, not
//!   even a refused login for another call.
//! * **They hand out credentials in their own way.** A request goes out as it is; when the
//!   registry challenges it, the token is fetched with what `docker login` stored
//!   ([`Credentials::FromDocker`]) and kept: one for a repository, however many tasks ask at once.
//!   A registry without authentication thus costs exactly one request a question. Neither login
//!   nor token goes to another host than the registry and its token server, or over plain HTTP
//!   when the registry speaks HTTPS.
//! * **They say no in their own words.** A refusal to take a push becomes [`PushRefusal`], with
//!   the one setting to change in [`OciError::hint`] and its page in [`OciError::setting_url`].
//! * **They hold more than images.** A digest may name an index, a manifest, a config, a layer or
//!   an attestation. Only the first two can be pulled; `describe` refuses the others by name.
//! * **They give new digests to old content.** Provenance and times are in the digest.
//!   [`Client::compare`] looks at what runs, and says [`Likeness::OnlyTimestamps`] where a pin
//!   would change nothing.
//! * **They keep lists of referrers, or do not.** Where the referrers API is missing, the list is
//!   a tag that clients replace; [`Client::attach`] says what can be promised then.
//!
//! Latency is most of a look-up, so calls are best made many at a time: a [`Client`] has at most
//! 64 requests under way and reuses as many connections.
//!
//! What a registry sends is bounded before it is believed: 8 MiB for anything kept in memory, and
//! layers, which are streamed, by the length in their manifest. Digests are checked on arrival.
//!
//! `oci-client` gives the types of manifests and `http-auth` reads challenges. The requests are
//! made here: `oci-client` neither tries again, nor shows response headers, nor tells a token
//! server's bad moment from its refusal.
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

mod answer;
mod auth;
mod call;
mod challenge;
mod client;
mod config;
mod credentials;
mod describe;
mod error;
mod host;
mod likeness;
mod manifest;
mod parts;
mod proxy;
mod push;
mod referrers;
mod retry;
mod tag;
mod transport;
mod upload;

pub use client::{Client, ClientOptions};
pub use config::ImageConfig;
pub use credentials::Credentials;
pub use describe::{ImageInfo, ImageKind};
pub use error::OciError;
pub use likeness::Likeness;
pub use push::PushRefusal;
pub use referrers::{Artifact, Attestation, Referrer};
pub use retry::RetryPolicy;
pub use tag::Tagged;
