//! Modal: environments, secrets, deploys and smokes.
//!
//! Modal's command line starts Python for each thing it does, takes secrets where everybody can
//! read them, and cannot call a deployed function at all. This crate speaks to the control plane
//! itself ([`Client`]: gRPC, with the retries, idempotency keys and back-off that the server
//! expects), and leaves to the command line the one thing that needs Python: `modal deploy`,
//! which imports the user's module.
//!
//! A deployment has three values, made without any I/O, and one run:
//!
//! 1. [`secrets::plan`] finds a value for every secret that the processors declare, or says which
//!    are missing; nothing has been written by then.
//! 2. [`deploy::plan`] gives each processor its app, and refuses images that are not pinned by
//!    digest and names that collide.
//! 3. [`run`] writes the secrets, deploys each app, reads back which version is live, calls
//!    `smoke` **at that version** (after a deploy, old containers go on answering for a while) and
//!    judges the reply. What it did stands in a [`DeployReport`].
//!
//! The module that is deployed gets `PROCESSOR_REF`, `IMAGE_REF` (an image by digest) and
//! `TOOL_SECRETS` (names, separated by commas) in its environment. The container imports it again
//! without them, so reads of these belong behind `modal.is_local()`.
//!
//! The client alone, listing environments and calling a function:
//!
//! ```no_run
//! use std::time::Duration;
//! use modal_deploy::client::{Call, Client, ClientOptions};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // MODAL_TOKEN_ID, MODAL_TOKEN_SECRET and, for another server, MODAL_SERVER_URL.
//! let client = Client::connect(ClientOptions::from_env()?)?;
//! for environment in client.environments().await? {
//!     println!("{}", environment.name);
//! }
//! let call = Call {
//!     environment: &"dev".parse()?,
//!     app: "llm-litellm-v1",
//!     function: "smoke",
//!     version: None,
//!     payload: serde_json::json!({"ref": "llm/litellm@1", "mode": "mock"}),
//!     timeout: Duration::from_secs(60),
//! };
//! let reply = client.call(&call, &CancellationToken::new()).await?;
//! println!("{:?}", reply.envelope());
//! # Ok(()) }
//! ```

pub mod client;
pub mod deploy;
mod error;
mod processor;
pub mod proto;
mod report;
mod run;
pub mod secrets;
pub mod smoke;

pub use client::{Client, ClientOptions};
pub use error::{CallFailure, ErrorClass, GrpcCode, ModalError};
pub use processor::{DeployImage, Processor};
pub use report::{AppReport, DeployReport, Deployed, SecretsReport, SmokeReport, Verdict};
pub use run::{RunOptions, ensure_environment, run};
