//! A Modal control plane on this machine, complete enough for the unmodified `modal` program
//! (environments, secrets, apps, deploy) and for Modal's Python package to call what was
//! deployed.
//!
//! Nothing is built: the image behind `FROM` *is* the function's image, and a call is answered by
//! running that very image with Docker, without network, with the deployed files, the secrets of
//! the function and Modal's own client package. As at Modal, it sees what those secrets held when
//! its version was deployed or rolled over, not what was written since. Layers that only say how to run it (`ENV`,
//! `WORKDIR`, `ENTRYPOINT`, `CMD`, `LABEL`, `EXPOSE`) are followed; a layer that would change
//! what is in it (`RUN`, `COPY`) fails the deploy, because then the bits that run would no longer
//! be the bits that were pinned. Web endpoints, generators and batched functions can be
//! deployed, but a call of one is refused.
//!
//! ```
//! use rehearsal::modal::{EmbeddedModal, ModalOptions};
//! use tokio_util::sync::CancellationToken;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let options = ModalOptions {
//!     environments: vec!["dev".parse().unwrap()],
//!     ..ModalOptions::default()
//! };
//! let modal = EmbeddedModal::start(options, &CancellationToken::new()).await?;
//! assert_eq!(modal.environments(), ["dev"]);
//! println!("MODAL_SERVER_URL={}", modal.url());
//! modal.stop().await;
//! # Ok::<(), rehearsal::modal::ModalError>(()) }).unwrap();
//! ```

mod answering;
mod answers;
mod apps;
mod builds;
mod calls;
mod client_packages;
mod container;
mod dockerfile;
mod engine;
mod environments;
mod error;
mod functions;
mod images;
mod inspect;
mod mounts;
mod options;
mod secrets;
mod server;
mod service;
mod state;
mod token;
mod traffic;

pub use client_packages::ClientPackages;
pub use error::ModalError;
pub use inspect::Deployed;
pub use options::ModalOptions;
pub use server::EmbeddedModal;
pub use token::Token;
