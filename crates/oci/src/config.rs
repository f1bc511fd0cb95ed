use std::collections::BTreeMap;

use registry_model::{PinnedImage, Platform};

use crate::{Client, OciError};

/// What an image's config says, for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// What it runs on.
    pub platform: Platform,
    /// When it was made, if it says so.
    pub created: Option<jiff::Timestamp>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Instructions that it adds to each Dockerfile that builds on it.
    pub on_build: Vec<String>,
}

impl Client {
    /// The config of each platform of `image`.
    ///
    /// # Errors
    /// As for [`Client::describe`].
    pub async fn configs(&self, image: &PinnedImage) -> Result<Vec<ImageConfig>, OciError> {
        let _ = image;
        Ok(Vec::new())
    }

    /// The manifests that an index consists of, attestations included; none for a manifest.
    ///
    /// # Errors
    /// When it is missing, or the registry cannot be asked.
    pub async fn children(&self, image: &PinnedImage) -> Result<Vec<PinnedImage>, OciError> {
        let _ = image;
        Ok(Vec::new())
    }
}
