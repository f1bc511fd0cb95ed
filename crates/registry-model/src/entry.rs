use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{AcceptanceSpec, PinnedImage, Platform, ProcessorRef, Repository, SmokeSpec};

/// One processor as its registry file describes it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// Its name, `ref:`.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// The registry file, relative to the root of the repository.
    pub file: PathBuf,
    /// What should run, per platform; one for `image.oci`, several for `image.platforms`.
    pub pins: Vec<Pin>,
    /// The repository that the entry itself names, if it names one.
    pub repository: Option<Repository>,
    /// How it is built.
    pub build: BuildSpec,
    /// The secrets it needs, by name.
    pub secrets: SecretNames,
    /// What it needs to run.
    pub runtime: Runtime,
    /// How it is called once it is deployed, where that differs from the others.
    pub smoke: Option<SmokeSpec>,
    /// The cases that its image must pass before it is deployed.
    pub acceptance: Option<AcceptanceSpec>,
    /// `false` leaves it out of every stage; default `true`.
    pub enabled: bool,
    /// The text of the file, for [`Self::document`].
    #[serde(skip)]
    pub(crate) text: Box<str>,
}

/// Where an image is built from. Paths are relative to the root of the repository and stay in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BuildSpec {
    /// The folder that the engine sees.
    pub context: PathBuf,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// `build.target`, the stage to build; default: the last.
    pub target: Option<String>,
    /// `build.args`, in their order.
    pub args: Vec<(String, String)>,
}

/// `secrets.required` and `secrets.optional`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SecretNames {
    /// Without one of these it cannot run.
    pub required: Vec<String>,
    /// Without one of these it runs with less.
    pub optional: Vec<String>,
}

/// `runtime`: what the processor asks of the machine. An absent field is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Runtime {
    /// `cpu`, in cores; `1` and `'1'` are the same.
    pub cpu: Option<f64>,
    /// `memory_gb` (in GiB) or `memory` (`2Gi`, `512Mi`), in MiB.
    pub memory_mib: Option<u64>,
    /// `gpu`; `none` and `null` are `None`.
    pub gpu: Option<String>,
    /// `timeout_s`, in seconds.
    pub timeout_s: Option<u64>,
}

/// One place for a pin in a registry file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// Where it stands.
    pub place: PinPlace,
    /// What stands there.
    pub state: PinState,
}

/// Where in the file a pin stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinPlace {
    /// `image.oci`: one image for every platform.
    Oci,
    /// `image.platforms.<arch>`: an image for one.
    Platform(Platform),
}

/// What stands in the place of a pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinState {
    /// An image by digest.
    Pinned(PinnedImage),
    /// A placeholder (`sha256:pending`, `sha256:REPLACE_*`), an empty value or nothing at all.
    Pending {
        /// The placeholder, if there is one.
        found: Option<String>,
    },
}

impl PinPlace {
    /// The keys that lead to it, from the root of the document.
    pub(crate) fn keys(&self) -> Vec<&str> {
        match self {
            Self::Oci => vec!["image", "oci"],
            Self::Platform(platform) => vec!["image", "platforms", platform.arch()],
        }
    }
}

impl fmt::Display for PinPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.keys().join("."))
    }
}

impl Entry {
    /// The pin that serves `platform`: its own, else the one for every platform.
    #[must_use]
    pub fn pin_for(&self, platform: &Platform) -> Option<&Pin> {
        let own = PinPlace::Platform(platform.clone());
        self.pins
            .iter()
            .find(|pin| pin.place == own)
            .or_else(|| self.pins.iter().find(|pin| pin.place == PinPlace::Oci))
    }

    /// The image that should run on `platform`, unless it is pending.
    #[must_use]
    pub fn pinned(&self, platform: &Platform) -> Option<&PinnedImage> {
        match &self.pin_for(platform)?.state {
            PinState::Pinned(image) => Some(image),
            PinState::Pending { .. } => None,
        }
    }

    /// Where its images are pushed to: the repository it names, else `<prefix>/<image name>`.
    ///
    /// # Errors
    /// When `prefix` is no `<registry>/<path>`.
    pub fn repository(&self, prefix: &str) -> Result<Repository, crate::ImageError> {
        match &self.repository {
            Some(own) => Ok(own.clone()),
            None => format!("{prefix}/{}", self.reference.image_name()).parse(),
        }
    }

    /// Everything the file says, in its order, for fields that no stage reads. It is read anew each
    /// time: of hundreds of files, hardly any is asked for it.
    #[must_use]
    pub fn document(&self) -> serde_yaml::Value {
        crate::load::document(&self.text)
    }

    /// The file, as people name it.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}
