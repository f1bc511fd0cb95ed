//! Receipts in the registry, beside the image that they are about.

mod add;
mod found;
mod read;

pub use found::{Claim, Flaw, Found, Promise, Source};

use std::future::Future;

use oci::{Client, OciError};
use registry_model::{Digest, PinnedImage};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::ReceiptsError;

/// The type of the artifacts: what is in the envelope rather than the envelope, as policy engines
/// and cosign ask for it.
pub const ARTIFACT_TYPE: &str = "application/vnd.in-toto+json";
/// The type of their content, and of cosign's layers.
pub const MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

/// When the receipt was made.
pub const CREATED: &str = "org.opencontainers.image.created";
/// The type of its predicate; BuildKit's name for it.
pub const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
/// How it went.
pub const RESULT: &str = "dev.pipeline.receipt.result";
/// The environment it is about.
pub const ENVIRONMENT: &str = "dev.pipeline.receipt.environment";
/// The digest of the statement.
pub const STATEMENT: &str = "dev.pipeline.receipt.statement";
/// The envelope itself, so that the list of an image's artifacts is all that must be asked for.
pub const ENVELOPE: &str = "dev.pipeline.receipt.envelope";

/// Keeps and finds the receipts of images. Clones share the client.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
}

/// A receipt that is in the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stored {
    /// The artifact.
    pub manifest: PinnedImage,
    /// The digest of what it says, whoever signed it.
    pub statement: Digest,
}

impl Store {
    /// A store in the registries that `client` reaches.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

/// One thing that is done with the receipts of an image.
#[derive(Clone, Copy)]
struct Task<'a> {
    operation: &'static str,
    image: &'a PinnedImage,
}

impl Task<'_> {
    fn failed(&self, source: OciError) -> ReceiptsError {
        ReceiptsError::Registry {
            operation: self.operation,
            image: self.image.clone(),
            source,
        }
    }

    async fn unless<T>(
        &self,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<T, ReceiptsError>>,
    ) -> Result<T, ReceiptsError> {
        let done = cancel.run_until_cancelled(work).await;
        done.unwrap_or_else(|| {
            Err(ReceiptsError::Cancelled {
                operation: self.operation,
                image: self.image.clone(),
            })
        })
    }
}
