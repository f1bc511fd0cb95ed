use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use registry_model::Platform;

use super::model::ImageSettings;

/// What a plan depends on besides the registry files.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// The root of the repository.
    pub root: PathBuf,
    /// Where the images of entries go that name no repository: `ghcr.io/acme/models`.
    pub image_prefix: Option<String>,
    /// Pushes everything to this registry instead, with the same paths: `127.0.0.1:5000`.
    pub registry_host: Option<String>,
    /// What to build for; default `linux/amd64`.
    pub platforms: Vec<Platform>,
    /// Replaces base images: the name in `FROM` → the reference to take instead.
    pub base_images: BTreeMap<String, String>,
    /// What the builder adds to every image.
    pub settings: ImageSettings,
    /// Builds also what is there already.
    pub rebuild: bool,
    /// Builds also what was made longer ago than this.
    pub max_age: Option<Duration>,
    /// Files that are written and read around planning, as reports are. They are no part of the tree,
    /// unless git tracks them: a report in a build context would have everything built again.
    /// Relative to the current directory.
    pub reports: Vec<PathBuf>,
    /// Asks nothing of any registry: base images count by their names, and whether something was
    /// built before is not known.
    pub offline: bool,
}

impl PlanOptions {
    /// The defaults for the repository at `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            image_prefix: None,
            registry_host: None,
            platforms: vec![Platform::linux_amd64()],
            base_images: BTreeMap::new(),
            settings: ImageSettings::default(),
            rebuild: false,
            max_age: None,
            reports: Vec::new(),
            offline: false,
        }
    }
}
