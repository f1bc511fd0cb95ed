//! Artifacts beside an image: distribution specification 1.1, "Listing Referrers" and "Pushing
//! Manifests with Subject".

mod attestations;
mod list;
mod tag;

pub use attestations::Attestation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use registry_model::PinnedImage;
use serde_json::{Value, json};

use crate::answer::LONGEST_BODY;
use crate::call::Call;
use crate::manifest::{self, Parsed, Raw};
use crate::{Client, OciError};
use tag::{Kind, TagList};

/// The config of a manifest that needs none (image specification, "Guidance for an Empty
/// Descriptor").
const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// Something about an image, to be stored beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// What kind of statement it is, a media type.
    pub artifact_type: String,
    /// The media type of the content.
    pub media_type: String,
    /// The content; 8 MiB at most, as that is what [`Client::artifact`] reads.
    pub content: Vec<u8>,
    /// Short facts that can be read without fetching the content.
    pub annotations: BTreeMap<String, String>,
}

/// An artifact whose `subject` is an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The artifact's manifest.
    pub manifest: PinnedImage,
    /// What kind of statement it is; empty where the registry's list does not say.
    pub artifact_type: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Registries that were seen to answer without the referrers API, and to keep a list in a tag.
///
/// Both are needed: a registry that has the API may say 404 to a repository that it does not know.
#[derive(Clone, Default)]
pub(crate) struct WithoutApi(Arc<Mutex<BTreeSet<String>>>);

impl WithoutApi {
    fn has(&self, host: &str) -> bool {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.contains(host)
    }

    fn add(&self, host: &str) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host.to_owned());
    }
}

impl Client {
    /// Stores `artifact` beside `subject` and lists it among its referrers. The same artifact
    /// attached twice is one.
    ///
    /// A registry with the referrers API (specification 1.1) lists it by itself. For others, GHCR
    /// among them, the list is the content of a tag named after the subject, which can only be
    /// replaced as a whole. So the list is read again after each change, and the change repeated
    /// until it is seen to have stayed: once, or three times when other writers have shown up. The
    /// API has no compare-and-swap: a writer who takes longer between reading and writing than we
    /// wait before we look again (four times what our own change took, 250 ms at least) can still
    /// undo ours unseen. The artifact itself is never
    /// lost, and attaching it again lists it again. Entries of others that were seen and are gone
    /// are put back.
    ///
    /// # Errors
    /// [`OciError::NotFound`] when the subject is missing; [`OciError::TooLong`];
    /// [`OciError::PushRefused`]; [`OciError::BadReferrersTag`] when the tag holds something else,
    /// which stays as it is; [`OciError::Contended`]; others when the registry cannot be asked.
    pub async fn attach(
        &self,
        subject: &PinnedImage,
        artifact: &Artifact,
    ) -> Result<PinnedImage, OciError> {
        let kind = &artifact.artifact_type;
        let operation = format!("attach `{kind}` to `{subject}`");
        if artifact.content.len() > LONGEST_BODY {
            return Err(OciError::TooLong {
                operation,
                length: artifact.content.len(),
                limit: LONGEST_BODY,
            });
        }
        let Some(found) = self.pinned(subject, &operation).await? else {
            return Err(self.missing(subject, &operation).await);
        };
        let (repository, content) = (&subject.repository, &artifact.content);
        let mut attempts = self.transport.attempts();
        let (raw, answer) = loop {
            let (config, layer) = tokio::try_join!(
                self.put_blob(repository, EMPTY, &operation),
                self.put_blob(repository, content, &operation)
            )?;
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": manifest::IMAGE,
                "artifactType": kind,
                "config": { "mediaType": EMPTY_TYPE, "digest": config.as_str(), "size": EMPTY.len() },
                "layers": [{
                    "mediaType": artifact.media_type,
                    "digest": layer.as_str(),
                    "size": content.len(),
                }],
                "subject": {
                    "mediaType": found.media_type,
                    "digest": subject.digest.as_str(),
                    "size": found.bytes.len(),
                },
                "annotations": artifact.annotations,
            });
            let raw = Raw::write(manifest::IMAGE, &manifest, &operation)?;
            let reference = raw.digest.as_str();
            let call = Call::put_manifest(repository, reference, &raw, &operation);
            match self.transport.once(&call).await {
                Ok(answer) => break (raw, answer),
                Err(error) => {
                    let error = self.refused_write(repository, not_seen_yet(error)).await;
                    attempts.again_after(error, &operation).await?;
                }
            }
        };
        // "Pushing Manifests with Subject": the header says that the registry keeps the list.
        if answer.header("oci-subject") != Some(subject.digest.as_str()) {
            let entry = json!({
                "mediaType": manifest::IMAGE,
                "digest": raw.digest.as_str(),
                "size": raw.bytes.len(),
                "artifactType": kind,
                "annotations": artifact.annotations,
            });
            let entry = (&raw.digest, entry);
            self.add_to_tag(subject, Kind::Referrers, entry, &operation)
                .await?;
        }
        Ok(repository.at(raw.digest))
    }

    /// The artifacts attached to `subject`, oldest first as far as the registry keeps an order;
    /// of one type if asked. One that is listed twice is one. An image that is missing has none.
    ///
    /// One request where the registry has the referrers API, and where it is known by now that it
    /// keeps the list in a tag; else two.
    ///
    /// # Errors
    /// [`OciError::BadReferrersTag`] when the tag with the list holds something else; others when
    /// the registry cannot be asked or its answer makes no sense.
    pub async fn referrers(
        &self,
        subject: &PinnedImage,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Referrer>, OciError> {
        let operation = format!("list what is attached to `{subject}`");
        let entries = self.entries(subject, &operation).await?;
        let mut seen = BTreeSet::new();
        let mut referrers = Vec::new();
        for entry in entries {
            let kind = entry["artifactType"].as_str().unwrap_or_default();
            if artifact_type.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            let digest = entry["digest"].as_str().unwrap_or_default();
            let digest = manifest::parse_digest(digest, &operation)?;
            if seen.insert(digest.clone()) {
                referrers.push(Referrer {
                    manifest: subject.repository.at(digest),
                    artifact_type: kind.to_owned(),
                    annotations: annotations(&entry),
                });
            }
        }
        Ok(referrers)
    }

    async fn entries(
        &self,
        subject: &PinnedImage,
        operation: &str,
    ) -> Result<Vec<Value>, OciError> {
        let host = subject.repository.host();
        if !self.without_api.has(host)
            && let Some(entries) = self.ask_for_referrers(subject, operation).await?
        {
            return Ok(entries);
        }
        let list = self.read_tag(subject, Kind::Referrers, operation).await?;
        if list != TagList::new(Kind::Referrers) {
            self.without_api.add(host);
        }
        Ok(list.entries())
    }

    /// The content of an attached artifact: its one layer, checked against its digest.
    ///
    /// # Errors
    /// When it is missing, too long (8 MiB) or not as it should be, or the registry cannot be
    /// asked.
    pub async fn artifact(&self, manifest: &PinnedImage) -> Result<Vec<u8>, OciError> {
        let content = self.artifact_up_to(manifest, LONGEST_BODY).await?;
        content.ok_or_else(|| OciError::Malformed {
            operation: format!("read the artifact `{manifest}`"),
            problem: format!("its content is longer than {LONGEST_BODY} bytes"),
        })
    }

    /// The same, unless it is longer than that, in bytes: then it is not read.
    ///
    /// # Errors
    /// When it is missing or not as it should be, or the registry cannot be asked.
    pub async fn artifact_up_to(
        &self,
        manifest: &PinnedImage,
        longest: usize,
    ) -> Result<Option<Vec<u8>>, OciError> {
        let operation = format!("read the artifact `{manifest}`");
        let malformed = |problem: String| OciError::Malformed {
            operation: operation.clone(),
            problem,
        };
        let Some(raw) = self.pinned(manifest, &operation).await? else {
            return Err(self.missing(manifest, &operation).await);
        };
        let layers = match raw.parse(&operation)? {
            Parsed::Image(image) => image.layers,
            Parsed::Index(_) => return Err(malformed("it is an index".to_owned())),
        };
        let [layer] = layers.as_slice() else {
            let count = layers.len();
            return Err(malformed(format!("it has {count} layers instead of one")));
        };
        let size = usize::try_from(layer.size).unwrap_or(usize::MAX);
        if size > longest {
            return Ok(None);
        }
        let digest = manifest::parse_digest(&layer.digest, &operation)?;
        let layer = manifest.repository.at(digest);
        match self.blob(&layer, &operation).await? {
            Some(content) => Ok(Some(content)),
            None => Err(malformed(format!(
                "its content {} is missing",
                layer.digest
            ))),
        }
    }
}

/// A registry that is told by another writer to store the same content may, for a moment, not find
/// it: the reference registry writes its links to content in place. What it says then is that
/// the manifest names what it does not have.
fn not_seen_yet(error: OciError) -> OciError {
    match error {
        OciError::Refused {
            operation,
            status: status @ 400..=404,
            message,
        } if message.contains("MANIFEST_BLOB_UNKNOWN") => OciError::Unavailable {
            operation,
            status: Some(status),
            message,
            retry_after: None,
        },
        other => other,
    }
}

fn annotations(entry: &Value) -> BTreeMap<String, String> {
    let Some(all) = entry["annotations"].as_object() else {
        return BTreeMap::new();
    };
    let texts = all
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    texts.collect()
}
