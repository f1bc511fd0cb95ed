use oci_client::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciImageIndex,
    OciImageManifest,
};
use registry_model::Digest;
use sha2::Digest as _;

use crate::OciError;
use crate::answer::Answer;

/// What we accept as a manifest, for the `Accept` header.
pub(crate) const MEDIA_TYPES: [&str; 4] = [
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
];

pub(crate) const INDEX: &str = OCI_IMAGE_INDEX_MEDIA_TYPE;
pub(crate) const IMAGE: &str = OCI_IMAGE_MEDIA_TYPE;

/// A manifest as it came: these bytes are what the digest is made of.
pub(crate) struct Raw {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
}

/// A manifest, read.
pub(crate) enum Parsed {
    Index(OciImageIndex),
    Image(Box<OciImageManifest>),
}

impl Raw {
    pub(crate) fn read(answer: Answer, operation: &str) -> Result<Self, OciError> {
        /// The manifest's own word, which the header must not contradict; Docker's and OCI's
        /// older manifests differ in whether they have it.
        #[derive(serde::Deserialize)]
        struct Typed {
            #[serde(rename = "mediaType")]
            media_type: Option<String>,
        }
        let typed: Typed =
            serde_json::from_slice(&answer.body).map_err(|error| OciError::Malformed {
                operation: operation.to_owned(),
                problem: format!("the manifest is no JSON object: {error}"),
            })?;
        let media_type = typed
            .media_type
            .or_else(|| answer.content_type())
            .unwrap_or_default();
        if !MEDIA_TYPES.contains(&media_type.as_str()) {
            return Err(OciError::Malformed {
                operation: operation.to_owned(),
                problem: format!("manifests of type `{media_type}` are not supported"),
            });
        }
        let digest = digest_of(&answer.body, operation)?;
        Ok(Self {
            media_type,
            bytes: answer.body,
            digest,
        })
    }

    /// A manifest of our own making.
    pub(crate) fn write(
        media_type: &str,
        content: &serde_json::Value,
        operation: &str,
    ) -> Result<Self, OciError> {
        let bytes = content.to_string().into_bytes();
        let digest = digest_of(&bytes, operation)?;
        Ok(Self {
            media_type: media_type.to_owned(),
            bytes,
            digest,
        })
    }

    pub(crate) fn parse(&self, operation: &str) -> Result<Parsed, OciError> {
        let index = [OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE];
        let parsed = if index.contains(&self.media_type.as_str()) {
            serde_json::from_slice(&self.bytes).map(Parsed::Index)
        } else {
            serde_json::from_slice(&self.bytes).map(|image| Parsed::Image(Box::new(image)))
        };
        parsed.map_err(|error| OciError::Malformed {
            operation: operation.to_owned(),
            problem: format!("the manifest is not as specified: {error}"),
        })
    }
}

/// Whether a manifest of this type is for one platform.
pub(crate) fn is_image(media_type: &str) -> bool {
    [OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE].contains(&media_type)
}

/// Whether a config of this type describes something that runs.
pub(crate) fn is_image_config(media_type: &str) -> bool {
    [IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE].contains(&media_type)
}

pub(crate) fn digest_of(bytes: &[u8], operation: &str) -> Result<Digest, OciError> {
    parse_digest(
        &format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes))),
        operation,
    )
}

pub(crate) fn parse_digest(text: &str, operation: &str) -> Result<Digest, OciError> {
    text.parse().map_err(|error| OciError::Malformed {
        operation: operation.to_owned(),
        problem: format!("cannot {error}"),
    })
}
