use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use registry_model::{PinnedImage, Platform};
use serde::Deserialize;

use crate::manifest::{self, Parsed};
use crate::parts::Part;
use crate::{Client, OciError};

/// Configs of one image that are asked for at once.
const AT_ONCE: usize = 8;

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
        let operation = format!("read the config of `{image}`");
        let opened = self.open(image, &operation).await?;
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
