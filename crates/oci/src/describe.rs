use std::collections::BTreeMap;

use oci_client::manifest::{ImageIndexEntry, OciImageIndex, OciImageManifest};
use registry_model::{PinnedImage, Platform};
use serde::{Deserialize, Serialize};

use crate::manifest::{self, Parsed};
use crate::transport::Call;
use crate::{Client, OciError};

/// The media type of the layers of a BuildKit attestation (in-toto attestation specification).
const ATTESTATION: &str = "application/vnd.in-toto+json";

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

/// The part of an image's config that says what it runs on.
#[derive(Deserialize)]
struct Config {
    os: String,
    architecture: String,
    variant: Option<String>,
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
        let operation = format!("describe `{image}`");
        let Some(raw) = self.pinned(image, &operation).await? else {
            return Err(self.missing(image, operation).await);
        };
        let mut sizes = BTreeMap::new();
        let (kind, platforms) = match raw.parse(&operation)? {
            Parsed::Index(index) => {
                let platforms = self
                    .platforms(image, &index, &operation, &mut sizes)
                    .await?;
                (ImageKind::Index, platforms)
            }
            Parsed::Image(manifest) => {
                check(image, &manifest)?;
                measure(&manifest, &mut sizes);
                let platform = self.platform(image, &manifest, &operation).await?;
                (ImageKind::Manifest, vec![platform])
            }
        };
        Ok(ImageInfo {
            image: image.clone(),
            kind,
            media_type: raw.media_type,
            platforms,
            compressed_size: sizes.values().sum(),
        })
    }

    /// Registries keep configs and layers apart from manifests, so a config's digest is simply
    /// not there as a manifest. People paste it often enough to be told what it is.
    async fn missing(&self, image: &PinnedImage, operation: String) -> OciError {
        let call = Call::head_blob(&image.repository, image.digest.as_str(), &operation);
        match self.transport.send(&call).await {
            Ok(Some(_)) => OciError::NotAnImage {
                image: image.clone(),
                what: "a config or a layer, which cannot be pulled as an image",
            },
            Ok(None) => OciError::NotFound {
                operation,
                image: image.clone(),
            },
            Err(error) => error,
        }
    }

    async fn platforms(
        &self,
        image: &PinnedImage,
        index: &OciImageIndex,
        operation: &str,
        sizes: &mut BTreeMap<String, u64>,
    ) -> Result<Vec<Platform>, OciError> {
        let mut platforms = Vec::new();
        for entry in index
            .manifests
            .iter()
            .filter(|entry| !is_attestation(entry))
        {
            let digest = manifest::parse_digest(&entry.digest, operation)?;
            let child = image.repository.at(digest);
            let Some(raw) = self.pinned(&child, operation).await? else {
                return Err(OciError::NotFound {
                    operation: operation.to_owned(),
                    image: child,
                });
            };
            let Parsed::Image(manifest) = raw.parse(operation)? else {
                return Err(OciError::Malformed {
                    operation: operation.to_owned(),
                    problem: format!("{} is an index within an index", child.digest),
                });
            };
            check(&child, &manifest)?;
            measure(&manifest, sizes);
            platforms.push(match &entry.platform {
                Some(known) => platform(
                    &known.os.to_string(),
                    &known.architecture.to_string(),
                    known.variant.as_deref(),
                    operation,
                )?,
                None => self.platform(&child, &manifest, operation).await?,
            });
        }
        if platforms.is_empty() {
            return Err(OciError::NotAnImage {
                image: image.clone(),
                what: "an index without an image",
            });
        }
        Ok(platforms)
    }

    async fn platform(
        &self,
        image: &PinnedImage,
        manifest: &OciImageManifest,
        operation: &str,
    ) -> Result<Platform, OciError> {
        let malformed = |problem| OciError::Malformed {
            operation: operation.to_owned(),
            problem,
        };
        let digest = manifest::parse_digest(&manifest.config.digest, operation)?;
        let call = Call::get_blob(&image.repository, digest.as_str(), operation);
        let Some(answer) = self.transport.send(&call).await? else {
            return Err(malformed(format!("its config {digest} is missing")));
        };
        let found = manifest::digest_of(&answer.body, operation)?;
        if found != digest {
            return Err(OciError::DigestMismatch {
                operation: operation.to_owned(),
                found,
            });
        }
        let config: Config = serde_json::from_slice(&answer.body)
            .map_err(|error| malformed(format!("its config is not as specified: {error}")))?;
        if (config.os.as_str(), config.architecture.as_str()) == ("unknown", "unknown") {
            return Err(OciError::NotAnImage {
                image: image.clone(),
                what: "an attestation (platform unknown/unknown)",
            });
        }
        platform(
            &config.os,
            &config.architecture,
            config.variant.as_deref(),
            operation,
        )
    }
}

fn is_attestation(entry: &ImageIndexEntry) -> bool {
    entry.platform.as_ref().is_some_and(|platform| {
        (platform.os.to_string(), platform.architecture.to_string())
            == ("unknown".to_owned(), "unknown".to_owned())
    })
}

fn check(image: &PinnedImage, manifest: &OciImageManifest) -> Result<(), OciError> {
    let what = if manifest
        .layers
        .iter()
        .any(|layer| layer.media_type == ATTESTATION)
    {
        "an attestation"
    } else if !manifest::is_image_config(&manifest.config.media_type) {
        "an artifact without an image config"
    } else {
        return Ok(());
    };
    Err(OciError::NotAnImage {
        image: image.clone(),
        what,
    })
}

fn measure(manifest: &OciImageManifest, sizes: &mut BTreeMap<String, u64>) {
    for part in std::iter::once(&manifest.config).chain(&manifest.layers) {
        sizes.insert(part.digest.clone(), u64::try_from(part.size).unwrap_or(0));
    }
}

fn platform(
    os: &str,
    arch: &str,
    variant: Option<&str>,
    operation: &str,
) -> Result<Platform, OciError> {
    let text = match variant.filter(|variant| !variant.is_empty()) {
        Some(variant) => format!("{os}/{arch}/{variant}"),
        None => format!("{os}/{arch}"),
    };
    text.parse().map_err(|error| OciError::Malformed {
        operation: operation.to_owned(),
        problem: format!("cannot {error}"),
    })
}
