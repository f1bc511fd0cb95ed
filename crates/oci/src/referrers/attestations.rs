use std::collections::BTreeMap;

use registry_model::PinnedImage;
use serde_json::json;

use super::annotations;
use super::tag::Kind;
use crate::{Client, OciError, manifest};

/// A statement beside an image in the place where cosign looks for it: a layer of the manifest
/// that the tag `sha256-<hex>.att` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The layer's content, by its digest; no manifest.
    pub content: PinnedImage,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes, as the manifest has it.
    pub size: u64,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Client {
    /// Lists `content` where cosign looks for attestations of `subject`. The same content twice is
    /// one. Concurrent writers are met as by [`Client::attach`].
    ///
    /// # Errors
    /// As for [`Client::attach`], but the subject is not looked up.
    pub async fn attest(
        &self,
        subject: &PinnedImage,
        content: &[u8],
        media_type: &str,
        annotations: &BTreeMap<String, String>,
    ) -> Result<(), OciError> {
        let operation = format!("add an attestation of `{subject}`");
        let stored = self.put_blob(&subject.repository, content, &operation);
        let digest = stored.await?;
        let layer = json!({
            "mediaType": media_type,
            "size": content.len(),
            "digest": digest.as_str(),
            "annotations": annotations,
        });
        self.add_to_tag(subject, Kind::Attestations, (&digest, layer), &operation)
            .await
    }

    /// What cosign, or [`Client::attest`], has listed for `subject`; nothing when there is no such
    /// tag. One request.
    ///
    /// # Errors
    /// [`OciError::BadReferrersTag`] when the tag holds something else; others when the registry
    /// cannot be asked or its answer makes no sense.
    pub async fn attestations(&self, subject: &PinnedImage) -> Result<Vec<Attestation>, OciError> {
        let operation = format!("list the attestations of `{subject}`");
        let list = self.read_tag(subject, Kind::Attestations, &operation);
        let entries = list.await?.entries();
        let read = entries.iter().map(|entry| {
            let digest = entry["digest"].as_str().unwrap_or_default();
            let digest = manifest::parse_digest(digest, &operation)?;
            Ok(Attestation {
                content: subject.repository.at(digest),
                media_type: entry["mediaType"].as_str().unwrap_or_default().to_owned(),
                size: entry["size"].as_u64().unwrap_or(u64::MAX),
                annotations: annotations(entry),
            })
        });
        read.collect()
    }

    /// The content of an attestation, checked against its digest. One request.
    ///
    /// # Errors
    /// When it is missing, too long (8 MiB) or not as it should be, or the registry cannot be
    /// asked.
    pub async fn attestation(&self, attestation: &Attestation) -> Result<Vec<u8>, OciError> {
        let content = &attestation.content;
        let operation = format!("read the attestation `{content}`");
        let found = self.blob(content, &operation).await?;
        found.ok_or_else(|| OciError::Malformed {
            operation,
            problem: "it is listed and missing".to_owned(),
        })
    }
}
