use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use registry_model::{Entry, PinnedImage, Platform};
use serde::{Deserialize, Serialize};

use crate::contract::{self, CaseSource};
use crate::{AcceptanceError, ObjectsOptions};

const COMPOSE_NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];
const MAKEFILE_NAMES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// What the acceptance stage is asked for. Paths are relative to `root` unless absolute.
#[derive(Clone, Debug)]
pub struct AcceptanceOptions {
    /// The root of the repository.
    pub root: PathBuf,
    /// The compose file; `None` looks in `directory` and then at the root.
    pub compose_file: Option<PathBuf>,
    /// More compose files, each of which wins over those before it: other images for services, as a
    /// rule.
    pub compose_overrides: Vec<PathBuf>,
    /// Services to start, all of which must be in the compose file. `None` starts those of
    /// `postgres`, `redis` and `minio` that are in it, or all of its services if none is.
    pub services: Option<Vec<String>>,
    /// Where the suite runs, and all that it depends on; `None` is `context` for the first, and the
    /// whole repository for the second.
    pub directory: Option<PathBuf>,
    /// The build context; `None` is `code`, or the root when there is no such folder.
    pub context: Option<PathBuf>,
    /// The suite; `None` is `make test-acceptance`, if the Makefile in `directory` has it.
    pub command: Option<Vec<String>>,
    /// More environment for compose and the suite. Shown nowhere, but no place for secrets.
    pub env: BTreeMap<String, String>,
    /// The suite is ended when it runs longer; default 15 minutes.
    pub timeout: Duration,
    /// How long services may take to become healthy; default 2 minutes.
    pub wait_timeout: Duration,
    /// What the images must be made for; default `linux/amd64`.
    pub platform: Platform,
    /// Where the suite leaves its JUnit files; `None` is a folder that goes with the run.
    pub report_dir: Option<PathBuf>,
    /// The bucket that the suite leaves artifacts in; `None` looks at none.
    pub objects: Option<ObjectsOptions>,
    /// `None` does all that is configured.
    pub only: Option<Part>,
    /// When only some processors are asked for, the images of those that are not; `None` is all.
    pub left_out: Option<Vec<PinnedImage>>,
    /// The cases of the contract that run, by name; `None` runs all.
    pub cases: Option<Vec<String>>,
}

/// One of the two things that prove an image.
/// Its text is also the name of the suite in receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The cases of the registry files.
    Contract,
    /// The services and the suite.
    Suite,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Contract => "contract",
            Self::Suite => "suite",
        })
    }
}

impl AcceptanceOptions {
    /// The defaults for the repository at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            compose_file: None,
            compose_overrides: Vec::new(),
            services: None,
            directory: None,
            context: None,
            command: None,
            env: BTreeMap::new(),
            timeout: Duration::from_secs(15 * 60),
            wait_timeout: Duration::from_secs(2 * 60),
            platform: Platform::linux_amd64(),
            report_dir: None,
            objects: None,
            only: None,
            left_out: None,
            cases: None,
        }
    }
}

/// The files that a plan is made from, as they are in the repository.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The absolute root of the repository.
    pub root: PathBuf,
    /// The git clone that the root is in, or the root itself.
    pub top: PathBuf,
    /// The absolute folder that the suite runs in.
    pub directory: PathBuf,
    /// The compose file and its text, if there is one.
    pub compose: Option<(PathBuf, String)>,
    /// The compose files that win over it, with their texts.
    pub overrides: Vec<(PathBuf, String)>,
    /// The Makefile and its text, if there is one.
    pub makefile: Option<(PathBuf, String)>,
    /// The cases of the contract; see [`Self::with_cases`].
    pub cases: Vec<CaseSource>,
}

impl Sources {
    /// Reads what `options` name, or looks for it at the usual places.
    ///
    /// # Errors
    /// When something that the options name is not there, or a file cannot be read.
    pub fn read(options: &AcceptanceOptions) -> Result<Self, AcceptanceError> {
        let root = std::path::absolute(&options.root).map_err(|source| AcceptanceError::Read {
            path: options.root.clone(),
            source,
        })?;
        let mut folders = root.ancestors();
        let top = folders.find(|folder| folder.join(".git").exists());
        let top = top.unwrap_or(&root).to_owned();
        let directory = match options.directory.as_ref().or(options.context.as_ref()) {
            Some(folder) => root.join(folder),
            None if root.join("code").is_dir() => root.join("code"),
            None => root.clone(),
        };
        if !directory.is_dir() {
            return Err(AcceptanceError::NoDirectory { path: directory });
        }
        let compose = match &options.compose_file {
            Some(file) => Some(root.join(file)),
            None => [&directory, &root]
                .into_iter()
                .find_map(|folder| first_file(folder, &COMPOSE_NAMES)),
        };
        let overrides = options.compose_overrides.iter();
        let overrides = overrides
            .map(|file| with_text(root.join(file)))
            .collect::<Result<_, _>>()?;
        let makefile = first_file(&directory, &MAKEFILE_NAMES);
        Ok(Self {
            root,
            top,
            directory,
            compose: compose.map(with_text).transpose()?,
            overrides,
            makefile: makefile.map(with_text).transpose()?,
            cases: Vec::new(),
        })
    }

    /// Adds the acceptance cases of the enabled `entries`, with the files that they name.
    ///
    /// # Errors
    /// When such a file cannot be read, is too large, or is no JSON where it should be.
    pub fn with_cases(self, entries: &[Entry]) -> Result<Self, AcceptanceError> {
        let cases = contract::read(&self.root, entries)?;
        Ok(Self { cases, ..self })
    }

    /// A path of the repository as people write it: relative to the root, which may be a copy that
    /// is gone when somebody reads this.
    pub(crate) fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

fn first_file(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    names
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

fn with_text(path: PathBuf) -> Result<(PathBuf, String), AcceptanceError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(source) => Err(AcceptanceError::Read { path, source }),
    }
}
