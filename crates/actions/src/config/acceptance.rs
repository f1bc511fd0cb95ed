//! `acceptance:` of `pipeline.yml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::objects::ObjectsConfig;

/// The label that has a pull request proven.
const LABEL: &str = "run-acceptance";

/// `acceptance:` of `pipeline.yml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct AcceptanceConfig {
    /// The compose file; default: the first known name in the context or at the root.
    pub(crate) compose_file: Option<PathBuf>,
    /// Compose files that win over it, the last most.
    pub(crate) compose_override: Vec<PathBuf>,
    /// Services to start; default `postgres`, `redis`, `minio`.
    pub(crate) services: Option<Vec<String>>,
    /// Where the suite runs; default: the context.
    pub(crate) directory: Option<PathBuf>,
    /// The suite; default `make test-acceptance`, when the Makefile has that target.
    pub(crate) command: Option<Vec<String>>,
    /// It is ended when it runs longer; default 900.
    pub(crate) timeout_seconds: Option<u64>,
    /// More environment for compose and the suite. No place for secrets.
    pub(crate) env: BTreeMap<String, String>,
    /// The bucket that is looked at after the suite; default: none.
    pub(crate) artifacts: Option<ObjectsConfig>,
    /// What becomes of the stage while a pin is pending.
    pub(crate) pending: Pending,
    /// The label without which no pull request is proven; default `run-acceptance`.
    pub(crate) label: Option<String>,
}

/// What becomes of a stage while a digest that it needs is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pending {
    /// It is left out, and says so.
    #[default]
    Skip,
    /// It fails.
    Fail,
}

impl AcceptanceConfig {
    /// The label without which no pull request is proven.
    pub(crate) fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(LABEL)
    }

    /// The fields with paths, which must not leave the repository.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let single = [
            ("acceptance.compose-file", &self.compose_file),
            ("acceptance.directory", &self.directory),
        ];
        let single = single.into_iter();
        let single = single.filter_map(|(field, path)| Some((field, path.as_ref()?)));
        let overrides = self.compose_override.iter();
        single.chain(overrides.map(|path| ("acceptance.compose-override", path)))
    }
}
