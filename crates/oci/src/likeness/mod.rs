//! Whether a new digest is a change: manifests first, then configs, then the files in the layers.

mod config;
mod files;
mod layer;
mod pipe;
mod unpack;

use std::collections::BTreeMap;
use std::time::Duration;

use oci_client::manifest::OciDescriptor;
use registry_model::{PinnedImage, Platform};
use serde::{Deserialize, Serialize};

use crate::parts::{Opened, Part};
use crate::{Client, OciError};

use config::Config;

/// The most compressed bytes, of both images together, that are fetched to compare files.
const MOST_COMPARED: u64 = 512 * 1024 * 1024;
/// For one layer, all attempts together.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);
/// Layers with the same files are about as long. What times and compression change stays below.
const CLEAR_DIFFERENCE: u64 = 256 * 1024;

/// How much two images are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// One digest.
    Identical,
    /// The same manifests for every platform; only provenance, SBOM or annotations differ.
    OnlyAttestations,
    /// The same files, settings and history; only times differ, or how layers are compressed.
    OnlyTimestamps,
    /// Something else differs.
    Different {
        /// The first thing found, as in "linux/amd64: in the layer of `COPY . .`, app/main.py has
        /// other content".
        what: String,
    },
}

/// What is known of two images' one platform.
struct Pair<'a> {
    old: &'a Part,
    new: &'a Part,
}

impl Client {
    /// Compares two images: manifests, then configs, then layers. An index and a manifest are
    /// alike when the manifest is the only platform of the index.
    ///
    /// Left out of the comparison are, in the config, the times of creation, the labels
    /// `org.opencontainers.image.created` and `….revision`, and BuildKit's notes to itself; in the
    /// layers, the times of files. Layers are streamed and compared in order, never stored: path,
    /// kind, mode, owner, size, link target, extended attributes and content. Source: OCI image
    /// specification, config.md and layer.md.
    ///
    /// Layers of more than 512 MiB, all together and compressed, are not compared, nor layers
    /// that cannot be read as an archive or take more than ten minutes: such images are
    /// [`Likeness::Different`].
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
        let operation = format!("compare `{old}` with `{new}`");
        let (old, new) = tokio::try_join!(self.open(old, &operation), self.open(new, &operation))?;
        let (Some(old), Some(new)) = (by_platform(&old), by_platform(&new)) else {
            return Ok(different("a platform has more than one image".to_owned()));
        };
        if !old.keys().eq(new.keys()) {
            return Ok(different(format!(
                "the platforms: {} → {}",
                names(&old),
                names(&new)
            )));
        }
        let mut times = false;
        let mut budget = MOST_COMPARED;
        for ((platform, old), new) in old.iter().zip(new.values()) {
            let pair = Pair { old, new };
            match self.compare_parts(&pair, &mut budget, &operation).await? {
                Likeness::Different { what } => {
                    return Ok(different(format!("{platform}: {what}")));
                }
                Likeness::OnlyTimestamps => times = true,
                Likeness::Identical | Likeness::OnlyAttestations => {}
            }
        }
        Ok(if times {
            Likeness::OnlyTimestamps
        } else {
            Likeness::OnlyAttestations
        })
    }

    async fn compare_parts(
        &self,
        pair: &Pair<'_>,
        budget: &mut u64,
        operation: &str,
    ) -> Result<Likeness, OciError> {
        let Pair { old, new } = *pair;
        if old.image.digest == new.image.digest {
            return Ok(Likeness::Identical);
        }
        let same_layers = digests(&old.manifest.layers).eq(digests(&new.manifest.layers));
        if same_layers && old.manifest.config.digest == new.manifest.config.digest {
            return Ok(Likeness::OnlyAttestations);
        }
        let (old_config, new_config) = tokio::try_join!(
            self.config_of(&old.image, &old.manifest, operation),
            self.config_of(&new.image, &new.manifest, operation),
        )?;
        let (old_config, new_config) = (Config::new(old_config), Config::new(new_config));
        if let Some(what) = old_config.first_difference(&new_config) {
            return Ok(different(what));
        }
        let layers = pair.changed_layers(&old_config, &new_config);
        let layers = match layers {
            Ok(layers) => layers,
            Err(what) => return Ok(different(what)),
        };
        for layer in layers {
            let Some(rest) = budget.checked_sub(layer.size()) else {
                return Ok(different(format!(
                    "the layer of {} is too large to compare",
                    layer.made_by
                )));
            };
            *budget = rest;
            let made_by = &layer.made_by;
            let compared = self.compare_layers(pair, &layer, operation);
            match tokio::time::timeout(LONGEST_WAIT, compared).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(what))) => {
                    return Ok(different(format!("in the layer of {made_by}, {what}")));
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    return Ok(different(format!(
                        "the layer of {made_by} takes too long to compare"
                    )));
                }
            }
        }
        Ok(Likeness::OnlyTimestamps)
    }
}

/// Two layers at one place whose digests differ.
struct Changed<'a> {
    old: &'a OciDescriptor,
    new: &'a OciDescriptor,
    /// The instruction that made it.
    made_by: String,
}

impl Changed<'_> {
    fn size(&self) -> u64 {
        length(self.old).saturating_add(length(self.new))
    }
}

impl<'a> Pair<'a> {
    /// The layers to look into, or what tells without a look that the images differ.
    fn changed_layers(&self, old: &Config, new: &Config) -> Result<Vec<Changed<'a>>, String> {
        let (old_layers, new_layers) = (&self.old.manifest.layers, &self.new.manifest.layers);
        let (before, after) = (old_layers.len(), new_layers.len());
        if before != after {
            return Err(format!("{before} layers → {after}"));
        }
        let diffs = old.diff_ids().zip(new.diff_ids());
        let diffs: Vec<bool> = diffs.map(|(old, new)| old == new).collect();
        if [old, new].iter().any(|it| it.diff_ids().count() != before) {
            return Err("a config that does not fit its layers".to_owned());
        }
        let mut changed = Vec::new();
        for (place, (old_layer, new_layer)) in old_layers.iter().zip(new_layers).enumerate() {
            if old_layer.digest == new_layer.digest || diffs.get(place) == Some(&true) {
                continue;
            }
            let layer = Changed {
                old: old_layer,
                new: new_layer,
                made_by: new.made_by(place),
            };
            let (before, after) = (length(old_layer), length(new_layer));
            let gap = before.abs_diff(after);
            let same_kind = old_layer.media_type == new_layer.media_type;
            if same_kind && gap > CLEAR_DIFFERENCE && gap > before.max(after) / 4 {
                return Err(format!(
                    "the layer of {} has {before} bytes → {after}",
                    layer.made_by
                ));
            }
            changed.push(layer);
        }
        Ok(changed)
    }
}

fn by_platform(opened: &Opened) -> Option<BTreeMap<&Platform, &Part>> {
    let parts = opened.parts.iter().map(|part| (&part.platform, part));
    let map: BTreeMap<_, _> = parts.collect();
    (map.len() == opened.parts.len()).then_some(map)
}

fn names(parts: &BTreeMap<&Platform, &Part>) -> String {
    let names: Vec<String> = parts.keys().map(ToString::to_string).collect();
    names.join(", ")
}

fn digests(layers: &[OciDescriptor]) -> impl Iterator<Item = &str> {
    layers.iter().map(|layer| layer.digest.as_str())
}

fn length(layer: &OciDescriptor) -> u64 {
    u64::try_from(layer.size).unwrap_or(0)
}

fn different(what: String) -> Likeness {
    Likeness::Different { what }
}
