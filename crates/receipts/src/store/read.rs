use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use oci::{Attestation, OciError, Referrer};
use registry_model::PinnedImage;
use tokio_util::sync::CancellationToken;

use super::{ARTIFACT_TYPE, ENVELOPE, Flaw, Found, MEDIA_TYPE, Promise, Source, Store, Task};
use crate::ReceiptsError;
use crate::dsse::{Envelope, LONGEST_ENVELOPE};
use crate::verify::{Policy, Verdict};

/// The most artifacts of one image that are looked at.
const MOST: usize = 2_000;
/// Images that are asked about at once: as many as the client has requests under way.
const IMAGES_AT_ONCE: usize = 64;
/// Artifacts of one image that are fetched at once.
const ARTIFACTS_AT_ONCE: usize = 16;
/// How the types of sigstore's bundles begin: those of `actions/attest` and of newer cosigns.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// What cosign 2 says that its bundles are, in the list (sigstore/cosign#4641).
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Which artifacts to look at.
#[derive(Clone, Copy, PartialEq)]
enum Range {
    /// Statements.
    Own,
    /// Also what other tools store in other ways.
    All,
}

impl Store {
    /// The receipts of an image. One request, as a rule: the list of its artifacts has them all.
    /// What lies there and is no receipt is given with its flaw; an image that is missing has no
    /// receipts.
    ///
    /// # Errors
    /// When the registry cannot be asked, the list is not as it should be or too long, or the
    /// caller cancels.
    pub async fn read(
        &self,
        image: &PinnedImage,
        cancel: &CancellationToken,
    ) -> Result<Vec<Found>, ReceiptsError> {
        let task = reading(image);
        task.unless(cancel, Box::pin(self.referrers(task, Range::Own)))
            .await
    }

    /// The receipts of many images, side by side, in the order of `images`.
    pub async fn read_many(
        &self,
        images: &[PinnedImage],
        cancel: &CancellationToken,
    ) -> Vec<Result<Vec<Found>, ReceiptsError>> {
        let reads: Vec<_> = images
            .iter()
            .map(|image| Box::pin(self.read(image, cancel)))
            .collect();
        stream::iter(reads).buffered(IMAGES_AT_ONCE).collect().await
    }

    /// What lies beside many images, judged, in the order of `images`: each with `policy` for its own
    /// repository.
    pub async fn judge_many(
        &self,
        images: &[PinnedImage],
        policy: &Policy,
        cancel: &CancellationToken,
    ) -> Vec<Result<Vec<Verdict>, ReceiptsError>> {
        let read = self.read_many(images, cancel).await;
        let now = Timestamp::now();
        let judged = images.iter().zip(read).map(|(image, found)| {
            let policy = Policy {
                repository: Some(image.repository.clone()),
                ..policy.clone()
            };
            found.map(|found| policy.judge(&found, now))
        });
        judged.collect()
    }

    /// The receipts of an image, with what cosign and GitHub's attest action have stored: a request more, and one
    /// or two for each of theirs.
    ///
    /// # Errors
    /// As for [`Store::read`].
    pub async fn read_all(
        &self,
        image: &PinnedImage,
        cancel: &CancellationToken,
    ) -> Result<Vec<Found>, ReceiptsError> {
        let task = reading(image);
        let work = async {
            let (mut found, cosign) = tokio::try_join!(
                Box::pin(self.referrers(task, Range::All)),
                Box::pin(self.cosign(task))
            )?;
            // Ours are in both places.
            for one in cosign {
                if !found.iter().any(|other| other.content == one.content) {
                    found.push(one);
                }
            }
            Ok(found)
        };
        task.unless(cancel, work).await
    }

    async fn referrers(&self, task: Task<'_>, range: Range) -> Result<Vec<Found>, ReceiptsError> {
        let wanted = (range == Range::Own).then_some(ARTIFACT_TYPE);
        let listed = self.client.referrers(task.image, wanted).await;
        let mut listed = listed.map_err(|error| task.failed(error))?;
        listed.retain(|it| {
            let kind = it.artifact_type.as_str();
            [ARTIFACT_TYPE, EMPTY, ""].contains(&kind) || kind.starts_with(BUNDLE)
        });
        few(task, listed.len())?;
        let read = stream::iter(listed.iter().map(|referrer| self.referrer(task, referrer)));
        let read = read.buffered(ARTIFACTS_AT_ONCE).try_collect::<Vec<_>>();
        Ok(read.await?.into_iter().flatten().collect())
    }

    /// `None` for what does not even claim to be a receipt.
    async fn referrer(
        &self,
        task: Task<'_>,
        referrer: &Referrer,
    ) -> Result<Option<Found>, ReceiptsError> {
        let annotations = &referrer.annotations;
        let content = match annotations.get(ENVELOPE) {
            Some(embedded) => Ok(embedded.clone().into_bytes()),
            None => {
                let artifact = &referrer.manifest;
                let content = self.client.artifact_up_to(artifact, LONGEST_ENVELOPE);
                let content = content.await.and_then(|content| {
                    content.ok_or_else(|| OciError::TooLong {
                        operation: format!("read `{artifact}`"),
                        length: LONGEST_ENVELOPE + 1,
                        limit: LONGEST_ENVELOPE,
                    })
                });
                flaw_or_error(task, content)?
            }
        };
        let content = content.and_then(|bytes| open(&bytes));
        let source = match referrer.artifact_type == ARTIFACT_TYPE {
            true => Source::Referrer,
            false => Source::Bundle,
        };
        let claims = source == Source::Referrer || content.is_ok();
        Ok(claims.then(|| Found {
            image: task.image.clone(),
            place: referrer.manifest.clone(),
            source,
            promised: Some(Promise::read(annotations)),
            content,
        }))
    }

    async fn cosign(&self, task: Task<'_>) -> Result<Vec<Found>, ReceiptsError> {
        let listed = match self.client.attestations(task.image).await {
            Ok(listed) => listed,
            // Somebody else's tag of that name hides nothing of ours.
            Err(OciError::BadReferrersTag { .. }) => Vec::new(),
            Err(error) => return Err(task.failed(error)),
        };
        few(task, listed.len())?;
        let listed = listed.iter().filter(|it| it.media_type == MEDIA_TYPE);
        let read = stream::iter(listed.map(|it| self.attestation(task, it)));
        read.buffered(ARTIFACTS_AT_ONCE).try_collect().await
    }

    async fn attestation(
        &self,
        task: Task<'_>,
        attestation: &Attestation,
    ) -> Result<Found, ReceiptsError> {
        let content = self.client.attestation(attestation).await;
        let content = flaw_or_error(task, content)?;
        Ok(Found {
            image: task.image.clone(),
            place: attestation.content.clone(),
            source: Source::Cosign,
            promised: None,
            content: content.and_then(|bytes| open(&bytes)),
        })
    }
}

fn reading(image: &PinnedImage) -> Task<'_> {
    Task {
        operation: "read the receipts of",
        image,
    }
}

fn few(task: Task<'_>, count: usize) -> Result<(), ReceiptsError> {
    if count <= MOST {
        return Ok(());
    }
    Err(ReceiptsError::TooMany {
        image: task.image.clone(),
        count,
        limit: MOST,
    })
}

fn open(bytes: &[u8]) -> Result<Envelope, Flaw> {
    Envelope::from_json(bytes).map_err(|error| Flaw::Unreadable(error.problem))
}

/// What is wrong with one artifact must not hide the others; a registry that cannot be asked must
/// not look like an artifact that is wrong.
fn flaw_or_error(
    task: Task<'_>,
    content: Result<Vec<u8>, OciError>,
) -> Result<Result<Vec<u8>, Flaw>, ReceiptsError> {
    match content {
        Ok(content) => Ok(Ok(content)),
        Err(error @ OciError::DigestMismatch { .. }) => Ok(Err(Flaw::Altered(error.to_string()))),
        Err(
            error @ (OciError::NotFound { .. }
            | OciError::Malformed { .. }
            | OciError::TooLong { .. }),
        ) => Ok(Err(Flaw::Unreadable(error.to_string()))),
        Err(error) => Err(task.failed(error)),
    }
}
