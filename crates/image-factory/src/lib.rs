//! Builds each processor's image once, and pins it: plan → build → pin.
//!
//! * [`plan()`](plan::plan) computes, for each registry entry, an [`InputKey`](plan::InputKey): the
//!   hash of everything the image follows from (Dockerfile, context after `.dockerignore`, build
//!   arguments, target, platforms, replaced base images) and of nothing else. The pin is not part of
//!   it, so that merging a pin builds nothing. If the registry has an image under the tag of that
//!   key, it is reused, whatever branch it was built on.
//! * [`build()`](build::build) builds the others in one BuildKit run (`docker buildx bake`), takes
//!   their digests from the metadata file, confirms each with one HEAD, and only then sets the tag
//!   of the key. That tag is never moved, except by a forced build.
//! * [`pin`] compares the digests with the registry files, edits nothing but the bytes of the pins,
//!   and proposes them in one commit and one pull request. No difference means nothing at all.
//! * [`retention`] lists every digest that the branches still count on, for whoever cleans up.
//!
//! What one step hands to the next is a value that can be kept as JSON: [`plan::BuildPlan`],
//! [`build::BuildReport`], [`pin::PinReport`]. So the steps can run on different machines.
//!
//! ```no_run
//! use image_factory::build::{self, BuildOptions};
//! use image_factory::pin::{self, ProposeOptions};
//! use image_factory::plan::{self, PlanOptions};
//! use registry_model::{LoadOptions, Registry};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn run(repo: github::Repo) -> Result<(), Box<dyn std::error::Error>> {
//! let cancel = CancellationToken::new();
//! let images = oci::Client::new(oci::ClientOptions::default())?;
//! let registry = Registry::load(".".as_ref(), &LoadOptions::default())?;
//! let entries: Vec<_> = registry.entries.iter().collect();
//!
//! let mut options = PlanOptions::new(".");
//! options.image_prefix = Some("ghcr.io/acme/models".to_owned());
//! let plan = plan::plan(&registry, &entries, &images, &options, &cancel).await?;
//! let report = build::build(&plan, &images, &BuildOptions::new("."), &cancel).await?;
//! let changes = pin::changes(&report, &registry)?;
//! pin::propose(&repo, &changes, &ProposeOptions::new("17"), &cancel).await?;
//! # Ok(()) }
//! ```

pub mod build;
mod error;
mod images;
pub mod pin;
pub mod plan;
pub mod retention;

pub use error::{ErrorClass, FactoryError};
pub use images::Images;
