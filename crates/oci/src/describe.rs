use registry_model::{PinnedImage, Platform};
use serde::{Deserialize, Serialize};

use crate::{Client, OciError};

/// What an image consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageInfo {
    /// The image.
    pub image: PinnedImage,
    /// What its digest names.
    pub kind: ImageKind,
    /// The media type of what its digest names.
    pub media_type: String,
    /// What it runs on, in the order of the index; one for a manifest.
    pub platforms: Vec<Platform>,
    /// Bytes to pull for all platforms: configs and layers, compressed, each counted once.
    pub compressed_size: u64,
}

/// What the digest of an image names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageKind {
    /// A list of manifests, one a platform.
    Index,
    /// One platform's config and layers.
    Manifest,
}

impl Client {
    /// What `image` is: one request for a manifest, one for its config, one for each platform of
    /// an index.
    ///
    /// # Errors
    /// [`OciError::NotFound`] when it is missing; [`OciError::NotAnImage`] when the digest names
    /// a config, a layer, an attestation or another artifact; also when the registry cannot be
    /// asked or its answer makes no sense.
    pub async fn describe(&self, image: &PinnedImage) -> Result<ImageInfo, OciError> {
        let opened = self.open(image, &format!("describe `{image}`")).await?;
        Ok(ImageInfo {
            image: image.clone(),
            kind: opened.kind,
            compressed_size: opened.compressed_size(),
            media_type: opened.media_type,
            platforms: opened.parts.into_iter().map(|it| it.platform).collect(),
        })
    }
}
