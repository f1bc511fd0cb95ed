use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use oci::Artifact;
use registry_model::PinnedImage;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    ARTIFACT_TYPE, CREATED, ENVELOPE, ENVIRONMENT, MEDIA_TYPE, PREDICATE_TYPE, RESULT, STATEMENT,
    Store, Stored, Task,
};
use crate::ReceiptsError;
use crate::dsse::Envelope;
use crate::keys::SigningKey;
use crate::statement::{Draft, Receipt};

/// The longest envelope that also stands in the list of an image's artifacts, in bytes. The list
/// is a manifest, of which registries take 4 MiB: room for hundreds of the longest.
const LONGEST_IN_LIST: usize = 8 * 1024;
/// Receipts that are stored at once: each is some requests, and those of one image write one list.
const AT_ONCE: usize = 16;
/// What cosign's layers must carry: where its signatures of images have their signature.
const COSIGN_SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What cosign names the type of the predicate.
const COSIGN_PREDICATE_TYPE: &str = "predicateType";

impl Store {
    /// Stores a receipt beside its image; signed, if there is a key. The same receipt stored twice
    /// with the same key is one.
    ///
    /// With a key, it is also listed where cosign looks for attestations, so that `cosign
    /// verify-attestation --key` finds it. Without one there is nothing that cosign could verify.
    ///
    /// # Errors
    /// When the receipt is about another image or could not be read back, the image is missing,
    /// the registry does not take it, or the caller cancels. Then it may or may not be there:
    /// storing it again is always right.
    pub async fn add(
        &self,
        image: &PinnedImage,
        receipt: &Receipt,
        key: Option<&SigningKey>,
        cancel: &CancellationToken,
    ) -> Result<Stored, ReceiptsError> {
        let task = Task {
            operation: "store a receipt for",
            image,
        };
        let envelope = Envelope::seal(receipt, key);
        check(image, receipt, &envelope)?;
        let statement = envelope.statement();
        let json = envelope.to_json();
        let mut annotations = BTreeMap::from([
            (PREDICATE_TYPE, receipt.predicate_type().to_owned()),
            (STATEMENT, statement.to_string()),
        ]);
        if let Some(time) = receipt.facts.time {
            annotations.insert(CREATED, time.to_string());
        }
        if let Some(outcome) = receipt.outcome() {
            annotations.insert(RESULT, outcome.to_string());
        }
        if let Some(environment) = &receipt.facts.environment {
            annotations.insert(ENVIRONMENT, environment.to_string());
        }
        if json.len() <= LONGEST_IN_LIST {
            annotations.insert(ENVELOPE, json.clone());
        }
        let artifact = Artifact {
            artifact_type: ARTIFACT_TYPE.to_owned(),
            media_type: MEDIA_TYPE.to_owned(),
            content: json.clone().into_bytes(),
            annotations: own(annotations),
        };
        let for_cosign = own(BTreeMap::from([
            (COSIGN_SIGNATURE, String::new()),
            (COSIGN_PREDICATE_TYPE, receipt.predicate_type().to_owned()),
        ]));
        // Boxed, as writing a list is a deep affair, and callers nest it deeper.
        let attach = Box::pin(self.client.attach(image, &artifact));
        let attest = Box::pin(async {
            match key {
                Some(_) => {
                    let listed =
                        self.client
                            .attest(image, json.as_bytes(), MEDIA_TYPE, &for_cosign);
                    listed.await
                }
                None => Ok(()),
            }
        });
        let work = async { tokio::try_join!(attach, attest).map_err(|error| task.failed(error)) };
        let (manifest, ()) = task.unless(cancel, work).await?;
        debug!(%image, %manifest, %statement, kind = ?receipt.kind(), "stored a receipt");
        Ok(Stored {
            manifest,
            statement,
        })
    }
}

impl Store {
    /// Stores many receipts side by side, in the order of `drafts`: one that fails stops no other.
    pub async fn add_many(
        &self,
        drafts: &[Draft],
        key: Option<&SigningKey>,
        cancel: &CancellationToken,
    ) -> Vec<Result<Stored, ReceiptsError>> {
        let adds: Vec<_> = drafts
            .iter()
            .map(|draft| Box::pin(self.add(&draft.image, &draft.receipt, key, cancel)))
            .collect();
        stream::iter(adds).buffered(AT_ONCE).collect().await
    }
}

/// What cannot be read back would be a receipt that nobody ever sees.
fn check(image: &PinnedImage, receipt: &Receipt, envelope: &Envelope) -> Result<(), ReceiptsError> {
    let unfit = |problem: String| ReceiptsError::Unfit {
        image: image.clone(),
        problem,
    };
    match Receipt::from_statement(&envelope.payload) {
        Err(error) => Err(unfit(error.problem)),
        Ok(read) if !read.subjects.iter().any(|it| it.digest == image.digest) => {
            Err(unfit("it is about another image".to_owned()))
        }
        Ok(read) if read.kind() != receipt.kind() => {
            Err(unfit("it would be read as one of another kind".to_owned()))
        }
        Ok(_) => Ok(()),
    }
}

fn own(annotations: BTreeMap<&str, String>) -> BTreeMap<String, String> {
    let all = annotations.into_iter();
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}
