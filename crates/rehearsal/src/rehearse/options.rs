use std::collections::BTreeMap;
use std::path::PathBuf;

use acceptance::AcceptanceOptions;
use modal_deploy::smoke::SmokeOptions;
use registry_model::{Environment, LoadOptions, Platform};

/// What to rehearse, and how the repository is set up.
#[derive(Clone, Debug)]
pub struct RehearseOptions {
    /// The repository. It is copied, and never written to.
    pub repository: PathBuf,
    /// Leave the scratch copy and the data of the registry and of GitHub where they are.
    pub keep: bool,
    /// In promotion order; at least one.
    pub environments: Vec<Environment>,
    /// Where the registry files are.
    pub registry: LoadOptions,
    /// Where images go whose entry names no repository.
    pub image_prefix: Option<String>,
    /// What is built.
    pub platforms: Vec<Platform>,
    /// Other images for the names in `FROM`.
    pub base_images: BTreeMap<String, String>,
    /// The acceptance stage; its root is replaced by that of the scratch copy.
    pub acceptance: AcceptanceOptions,
    /// The Modal app, relative to the root; `None`: `modal_app.py` in the context, if it is
    /// there.
    pub modal_app: Option<PathBuf>,
    /// The files that a deploy depends on; `None`: the Python files below the folder of the app.
    pub modal_code: Option<Vec<String>>,
    /// How the apps are smoke-tested.
    pub smoke: SmokeOptions,
}

impl RehearseOptions {
    /// The defaults for this repository.
    pub fn new(repository: impl Into<PathBuf>) -> Self {
        let repository = repository.into();
        let names = ["dev", "staging", "main"];
        Self {
            acceptance: AcceptanceOptions::new(&repository),
            repository,
            keep: false,
            environments: names.iter().filter_map(|name| name.parse().ok()).collect(),
            registry: LoadOptions::default(),
            image_prefix: None,
            platforms: vec![Platform::linux_amd64()],
            base_images: BTreeMap::new(),
            modal_app: None,
            modal_code: None,
            smoke: SmokeOptions::default(),
        }
    }
}
