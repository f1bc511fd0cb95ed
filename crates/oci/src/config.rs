use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use registry_model::{PinnedImage, Platform};
use serde::Deserialize;

use crate::manifest::{self, Parsed};
use crate::parts::Part;
use crate::{Client, OciError};

/// Configs of one image that are asked for at once.
const AT_ONCE: usize = 8;
/// Manifests that an index is believed to have: for each platform one, and one about it.
const MOST_CHILDREN: usize = 256;

/// What an image's config says, for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// What it runs on.
    pub platform: Platform,
    /// When it was made, if it says so in the form of RFC 3339.
    pub created: Option<jiff::Timestamp>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Instructions that it adds to each Dockerfile that builds on it: `ONBUILD`, which Docker
    /// keeps beside what the OCI image specification knows.
    pub on_build: Vec<String>,
}

/// Source: OCI image specification, config.md, and moby's `container.Config`.
#[derive(Deserialize)]
struct Written {
    created: Option<String>,
    config: Option<Settings>,
}

#[derive(Deserialize, Default)]
struct Settings {
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "OnBuild")]
    on_build: Option<Vec<String>>,
}

impl Client {
    /// The config of each platform of `image`, in the order of the index.
    ///
    /// # Errors
    /// As for [`Client::describe`].
    pub async fn configs(&self, image: &PinnedImage) -> Result<Vec<ImageConfig>, OciError> {
        self.configs_for(image, &[]).await
    }

    /// The config of each of these platforms, if the image is for any of them; else of all. Of an
    /// index that takes one request, and two for each platform.
    ///
    /// # Errors
    /// As for [`Client::describe`].
    pub async fn configs_for(
        &self,
        image: &PinnedImage,
        platforms: &[Platform],
    ) -> Result<Vec<ImageConfig>, OciError> {
        let operation = format!("read the config of `{image}`");
        let opened = self.open_for(image, platforms, &operation).await?;
        let parts = opened.parts.into_iter();
        let configs: Vec<_> = parts
            .map(|part| self.image_config(part, &operation))
            .collect();
        stream::iter(configs).buffered(AT_ONCE).try_collect().await
    }

    async fn image_config(&self, part: Part, operation: &str) -> Result<ImageConfig, OciError> {
        let written: Written = self
            .config_of(&part.image, &part.manifest, operation)
            .await?;
        let settings = written.config.unwrap_or_default();
        Ok(ImageConfig {
            platform: part.platform,
            created: written.created.and_then(|created| created.parse().ok()),
            labels: settings.labels.unwrap_or_default(),
            on_build: settings.on_build.unwrap_or_default(),
        })
    }

    /// Whether the registry has this image with every manifest that it lists: an index can be there
    /// without them, once somebody has cleaned up. One request for a manifest; for an index, one
    /// more, and one for each entry.
    ///
    /// # Errors
    /// As for [`Client::exists`], and when an index makes no sense.
    pub async fn is_whole(&self, image: &PinnedImage) -> Result<bool, OciError> {
        let operation = format!("look up `{image}`");
        let Some(media_type) = self.media_type(image, &operation).await? else {
            return Ok(false);
        };
        if media_type.is_some_and(|kind| manifest::is_image(&kind)) {
            return Ok(true);
        }
        let children = self.children(image).await?;
        if children.len() > MOST_CHILDREN {
            return Err(OciError::Malformed {
                operation,
                problem: format!("an index of more than {MOST_CHILDREN} manifests"),
            });
        }
        let there = stream::iter(children)
            .map(|child| async move { self.exists(&child).await })
            .buffer_unordered(AT_ONCE);
        there.try_all(std::future::ready).await
    }

    /// The manifests that an index consists of, attestations included, in its order; none for a
    /// manifest. They are not looked up themselves. One request.
    ///
    /// # Errors
    /// When the image is missing, or the registry cannot be asked.
    pub async fn children(&self, image: &PinnedImage) -> Result<Vec<PinnedImage>, OciError> {
        let operation = format!("list what `{image}` consists of");
        let Some(raw) = self.pinned(image, &operation).await? else {
            return Err(self.missing(image, &operation).await);
        };
        let Parsed::Index(index) = raw.parse(&operation)? else {
            return Ok(Vec::new());
        };
        let digests = index.manifests.iter().map(|entry| {
            let digest = manifest::parse_digest(&entry.digest, &operation)?;
            Ok(image.repository.at(digest))
        });
        digests.collect()
    }
}
