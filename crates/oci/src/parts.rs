use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use oci_client::manifest::{ImageIndexEntry, OciImageIndex, OciImageManifest};
use registry_model::{PinnedImage, Platform};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::manifest::{self, Parsed};
use crate::{Client, ImageKind, OciError};

/// The media type of the layers of a BuildKit attestation (in-toto attestation specification).
const ATTESTATION: &str = "application/vnd.in-toto+json";
/// An index has one manifest a platform, and there are not that many platforms.
const MOST_PLATFORMS: usize = 128;
/// Manifests and configs of one image that are asked for at once.
const AT_ONCE: usize = 8;

/// An image taken apart: what runs, one a platform.
pub(crate) struct Opened {
    pub(crate) kind: ImageKind,
    pub(crate) media_type: String,
    pub(crate) parts: Vec<Part>,
}

/// What runs on one platform.
pub(crate) struct Part {
    pub(crate) image: PinnedImage,
    pub(crate) manifest: OciImageManifest,
    pub(crate) platform: Platform,
}

/// The part of an image's config that says what it runs on.
#[derive(Deserialize)]
struct Config {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl Client {
    /// Takes `image` apart: one request for a manifest, one for its config, one for each platform
    /// of an index.
    pub(crate) async fn open(
        &self,
        image: &PinnedImage,
        operation: &str,
    ) -> Result<Opened, OciError> {
        self.open_for(image, &[], operation).await
    }

    /// The same, looking only at what an index has for these platforms; at all if it has nothing
    /// for any of them, or none is named.
    pub(crate) async fn open_for(
        &self,
        image: &PinnedImage,
        platforms: &[Platform],
        operation: &str,
    ) -> Result<Opened, OciError> {
        let Some(raw) = self.pinned(image, operation).await? else {
            return Err(self.missing(image, operation).await);
        };
        let (kind, parts) = match raw.parse(operation)? {
            Parsed::Index(index) => {
                let parts = self.parts(image, &index, platforms, operation).await?;
                (ImageKind::Index, parts)
            }
            Parsed::Image(manifest) => {
                let part = self.part(image.clone(), *manifest, None, operation).await?;
                (ImageKind::Manifest, vec![part])
            }
        };
        Ok(Opened {
            kind,
            media_type: raw.media_type,
            parts,
        })
    }

    /// Registries keep configs and layers apart from manifests, so a config's digest is simply
    /// not there as a manifest. People paste it often enough to be told what it is.
    pub(crate) async fn missing(&self, image: &PinnedImage, operation: &str) -> OciError {
        let call = Call::head_blob(&image.repository, image.digest.as_str(), operation);
        match self.transport.send(&call).await {
            Ok(Some(_)) => OciError::NotAnImage {
                image: image.clone(),
                what: "a config or a layer, which cannot be pulled as an image",
            },
            Ok(None) => OciError::NotFound {
                operation: operation.to_owned(),
                image: image.clone(),
            },
            Err(error) => error,
        }
    }

    async fn parts(
        &self,
        image: &PinnedImage,
        index: &OciImageIndex,
        platforms: &[Platform],
        operation: &str,
    ) -> Result<Vec<Part>, OciError> {
        let entries = index.manifests.iter().filter(|it| !is_attestation(it));
        let mut entries: Vec<&ImageIndexEntry> = entries.collect();
        if entries.iter().any(|entry| is_for(entry, platforms)) {
            entries.retain(|entry| is_for(entry, platforms));
        }
        if entries.is_empty() {
            return Err(OciError::NotAnImage {
                image: image.clone(),
                what: "an index without an image",
            });
        }
        if entries.len() > MOST_PLATFORMS {
            return Err(OciError::Malformed {
                operation: operation.to_owned(),
                problem: format!("an index for more than {MOST_PLATFORMS} platforms"),
            });
        }
        let children = entries.into_iter();
        let children: Vec<_> = children
            .map(|entry| self.child(image, entry, operation))
            .collect();
        stream::iter(children).buffered(AT_ONCE).try_collect().await
    }

    async fn child(
        &self,
        image: &PinnedImage,
        entry: &ImageIndexEntry,
        operation: &str,
    ) -> Result<Part, OciError> {
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
        let platform = match &entry.platform {
            Some(known) => Some(platform(
                &known.os.to_string(),
                &known.architecture.to_string(),
                known.variant.as_deref(),
                operation,
            )?),
            None => None,
        };
        self.part(child, *manifest, platform, operation).await
    }

    async fn part(
        &self,
        image: PinnedImage,
        manifest: OciImageManifest,
        named: Option<Platform>,
        operation: &str,
    ) -> Result<Part, OciError> {
        check(&image, &manifest)?;
        let platform = match named {
            Some(named) => named,
            None => self.platform(&image, &manifest, operation).await?,
        };
        Ok(Part {
            image,
            manifest,
            platform,
        })
    }

    async fn platform(
        &self,
        image: &PinnedImage,
        manifest: &OciImageManifest,
        operation: &str,
    ) -> Result<Platform, OciError> {
        let config: Config = self.config_of(image, manifest, operation).await?;
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

    /// The config of a manifest, checked against its digest.
    pub(crate) async fn config_of<T: DeserializeOwned>(
        &self,
        image: &PinnedImage,
        manifest: &OciImageManifest,
        operation: &str,
    ) -> Result<T, OciError> {
        let malformed = |problem| OciError::Malformed {
            operation: operation.to_owned(),
            problem,
        };
        let digest = manifest::parse_digest(&manifest.config.digest, operation)?;
        let config = image.repository.at(digest);
        let Some(content) = self.blob(&config, operation).await? else {
            return Err(malformed(format!(
                "its config {} is missing",
                config.digest
            )));
        };
        serde_json::from_slice(&content)
            .map_err(|error| malformed(format!("its config is not as specified: {error}")))
    }

    /// Content that fits into memory, checked against its digest.
    pub(crate) async fn blob(
        &self,
        blob: &PinnedImage,
        operation: &str,
    ) -> Result<Option<Vec<u8>>, OciError> {
        let call = Call::get_blob(&blob.repository, blob.digest.as_str(), operation);
        let Some(answer) = self.transport.send(&call).await? else {
            return Ok(None);
        };
        let found = manifest::digest_of(&answer.body, operation)?;
        if found != blob.digest {
            return Err(OciError::DigestMismatch {
                operation: operation.to_owned(),
                found,
            });
        }
        Ok(Some(answer.body))
    }
}

impl Opened {
    /// Bytes of configs and layers, each counted once.
    pub(crate) fn compressed_size(&self) -> u64 {
        let mut sizes = BTreeMap::new();
        for manifest in self.parts.iter().map(|part| &part.manifest) {
            for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
                sizes.insert(&blob.digest, u64::try_from(blob.size).unwrap_or(0));
            }
        }
        sizes
            .values()
            .fold(0, |sum, size| sum.saturating_add(*size))
    }
}

fn is_attestation(entry: &ImageIndexEntry) -> bool {
    entry.platform.as_ref().is_some_and(|platform| {
        (platform.os.to_string(), platform.architecture.to_string())
            == ("unknown".to_owned(), "unknown".to_owned())
    })
}

fn is_for(entry: &ImageIndexEntry, platforms: &[Platform]) -> bool {
    entry.platform.as_ref().is_some_and(|known| {
        let (os, arch) = (known.os.to_string(), known.architecture.to_string());
        let same = |wanted: &Platform| wanted.os() == os && wanted.arch() == arch;
        platforms.iter().any(same)
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
