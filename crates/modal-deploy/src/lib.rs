//! Modal: environments, secrets, deploys and smokes.
//!
//! Modal's command line starts Python for each thing it does, takes secrets where everybody can
//! read them, and cannot call a deployed function at all. This crate speaks to the control plane
//! itself ([`Client`]: gRPC, with the retries, idempotency keys and back-off that the server
//! expects), and leaves to the command line the one thing that needs Python: `modal deploy`,
//! which imports the user's module.
//!
//! A deployment has three values, and one run:
//!
//! 1. [`secrets::plan`] finds a value for every secret that the processors declare, or says which
//!    are missing; nothing has been written by then.
//! 2. [`deploy::plan`] gives each processor its app, and refuses images that are not pinned by
//!    digest and names that collide.
//! 3. [`decide`] looks at what there is and says what has to be done, and why ([`deploy::Steps`]):
//!    an app whose digest, code and secrets are live, and whose smoke passed, is left alone; one
//!    whose secrets changed gets new containers; all others are deployed. What was deployed last
//!    stands in the [`record`], which is trusted only where Modal says that this very version is
//!    live.
//!
//! A [`gate::Gate`] lets only images through that have proven themselves.
//!
//! [`run`] does it. It writes the secrets, deploys side by side, reads back which version, tag and
//! image are live, calls `smoke` **at that version** (after a deploy, old containers go on
//! answering for a while) and judges the reply. One app that fails does not stop the others, and
//! running it again goes on where it ended. Of two runs for the same apps, the one that began
//! later has the last word. What became of each app, and what is live now, stands in a
//! [`DeployReport`].
//!
//! The module that is deployed gets `PROCESSOR_REF`, `IMAGE_REF` (an image by digest),
//! `TOOL_SECRETS` (names, separated by commas) and `REGISTRY_SECRET` (a name, or nothing) in its
//! environment. The container imports it again without them, so reads of these belong behind
//! `modal.is_local()`.
//!
//! The client alone, listing environments and calling a function:
//!
//! ```no_run
//! use std::time::Duration;
//! use modal_deploy::client::{Call, Client, ClientOptions};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or the active profile of ~/.modal.toml.
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

pub mod audit;
pub mod client;
mod control;
pub mod deploy;
mod error;
pub mod fingerprint;
pub mod gate;
pub mod preflight;
mod processor;
pub mod proto;
mod receipts;
pub mod record;
mod report;
pub mod rollback;
mod run;
pub mod secrets;
pub mod smoke;

pub use self::receipts::receipts;
pub use client::{Client, ClientOptions};
pub use control::{CliControl, Control};
pub use deploy::{OnFailure, RunOptions};
pub use error::{CallFailure, ErrorClass, GrpcCode, ModalError};
pub use processor::{DeployImage, Processor};
pub use report::{AppReport, DeployReport, Deployed, LiveApp, RollbackReport};
pub use run::{decide, run};
pub use smoke::{CallKind, CallReport, SmokeReport, Verdict};
