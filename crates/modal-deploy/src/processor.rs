use std::path::PathBuf;

use registry_model::{
    Entry, PinState, PinnedImage, Platform, ProcessorRef, SecretNames, SmokeSpec,
};

/// What of a registry entry a deploy needs.
#[derive(Clone, Debug)]
pub struct Processor {
    /// Its name.
    pub reference: ProcessorRef,
    /// The registry file, for messages.
    pub file: PathBuf,
    /// The image that should run.
    pub image: DeployImage,
    /// The secrets it needs, by name.
    pub secrets: SecretNames,
    /// How it is called once it is deployed, where that differs from the others.
    pub smoke: Option<SmokeSpec>,
}

/// The image of a processor, as its registry file has it for the platform in question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeployImage {
    /// An image by digest: the only kind that is deployed.
    Pinned(PinnedImage),
    /// A placeholder, or nothing at all.
    Pending(Option<String>),
}

impl Processor {
    /// The part of `entry` that matters on `platform`; Modal runs `linux/amd64`.
    #[must_use]
    pub fn from_entry(entry: &Entry, platform: &Platform) -> Self {
        let image = match entry.pin_for(platform).map(|pin| &pin.state) {
            Some(PinState::Pinned(image)) => DeployImage::Pinned(image.clone()),
            Some(PinState::Pending { found }) => DeployImage::Pending(found.clone()),
            None => DeployImage::Pending(None),
        };
        Self {
            reference: entry.reference.clone(),
            file: entry.file.clone(),
            image,
            secrets: entry.secrets.clone(),
            smoke: entry.smoke.clone(),
        }
    }
    /// Its image by digest, if it has one.
    #[must_use]
    pub fn pinned(&self) -> Option<&PinnedImage> {
        match &self.image {
            DeployImage::Pinned(image) => Some(image),
            DeployImage::Pending(_) => None,
        }
    }
}
