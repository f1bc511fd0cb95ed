mod acceptance;
mod build;
mod modal;
mod objects;
mod promotion;
mod receipts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::receipts::keys::KeyError;
use registry_model::{Environment, Platform};
use serde::{Deserialize, Serialize};

pub(crate) use acceptance::{AcceptanceConfig, Pending};
pub(crate) use build::{Age, BuildConfig, Pair, SecretFrom, SecretPair};
pub(crate) use modal::ModalConfig;
pub(crate) use objects::ObjectsConfig;
pub(crate) use promotion::PromotionConfig;
pub(crate) use receipts::{ReceiptsConfig, Required};

/// `pipeline.yml` at the root of a repository. Every field has a default, and so has the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Globs of the registry files; default: both known layouts.
    pub(crate) registry_files: Option<Vec<String>>,
    /// The build context, relative to the root; default `code`.
    pub(crate) context: Option<PathBuf>,
    /// In promotion order; default `dev`, `staging`, `main`.
    pub(crate) environments: Option<Vec<Environment>>,
    /// Where images go whose entry names no repository; default `ghcr.io/<owner>/<repo>`.
    pub(crate) image_prefix: Option<String>,
    /// What is built; default `linux/amd64`.
    pub(crate) platforms: Option<Vec<Platform>>,
    /// Other images for the names in `FROM`, for a mirror or a machine without Docker Hub.
    pub(crate) base_images: BTreeMap<String, String>,
    /// The build stage.
    pub(crate) build: BuildConfig,
    /// The acceptance stage.
    pub(crate) acceptance: AcceptanceConfig,
    /// The deploy stage.
    pub(crate) modal: ModalConfig,
    /// The way from one environment to the next.
    pub(crate) promotion: PromotionConfig,
    /// Which receipts are believed.
    pub(crate) receipts: ReceiptsConfig,
}

/// `pipeline.yml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("read `{file}`")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// It does not say what it should.
    #[error("understand `{file}`")]
    Parse {
        /// The file.
        file: PathBuf,
        /// Where and why.
        #[source]
        source: serde_yaml::Error,
    },
    /// A value in it makes no sense.
    #[error("use `{field}` of `pipeline.yml`: {problem}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A key that must have signed receipts cannot be read.
    #[error("believe receipts that are signed with `{file}`")]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// A path in it leaves the repository.
    #[error("use `{field}: {path}` of `pipeline.yml`: it leaves the repository")]
    Escapes {
        /// The field.
        field: &'static str,
        /// The path.
        path: PathBuf,
    },
}

impl Config {
    /// What the file may be called; the first that is there counts.
    pub(crate) const FILES: [&str; 2] = ["pipeline.yml", "pipeline.yaml"];

    /// Reads `pipeline.yml` (or `pipeline.yaml`) at `root`; without one, everything is default.
    ///
    /// # Errors
    /// When the file is there and cannot be used.
    pub(crate) fn load(root: &Path) -> Result<Self, ConfigError> {
        for name in Self::FILES {
            let file = root.join(name);
            match std::fs::read_to_string(&file) {
                Ok(text) => return Self::parse(&text, file),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(ConfigError::Read { file, source }),
            }
        }
        Ok(Self::default())
    }

    /// Understands the text of `file`.
    ///
    /// # Errors
    /// When it does not say what it should.
    pub(crate) fn parse(text: &str, file: PathBuf) -> Result<Self, ConfigError> {
        if text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        {
            return Ok(Self::default());
        }
        let config: Self =
            serde_yaml::from_str(text).map_err(|source| ConfigError::Parse { file, source })?;
        let paths = [
            ("context", &config.context),
            ("modal.app", &config.modal.app),
        ];
        let paths = paths.map(|(field, path)| (field, path.as_ref()));
        let keys = config.receipts.keys.iter();
        let keys = keys.map(|key| ("receipts.keys", Some(key)));
        let acceptance = config.acceptance.paths();
        let acceptance = acceptance.map(|(field, path)| (field, Some(path)));
        for (field, path) in paths.into_iter().chain(keys).chain(acceptance) {
            if let Some(path) = path
                && !stays_inside(path)
            {
                return Err(ConfigError::Escapes {
                    field,
                    path: path.clone(),
                });
            }
        }
        for from in config.build.secrets.values() {
            if let SecretFrom::File(path) = from
                && !stays_inside(path)
            {
                return Err(ConfigError::Escapes {
                    field: "build.secrets",
                    path: path.clone(),
                });
            }
        }
        config.secret_names()?;
        if let Some(environments) = &config.environments {
            check_environments(environments)?;
        }
        config.check_canary()?;
        config.check_required()?;
        let lists = [
            (
                "registry-files",
                config.registry_files.as_ref().map(Vec::len),
            ),
            ("platforms", config.platforms.as_ref().map(Vec::len)),
        ];
        if let Some((field, _)) = lists.iter().find(|(_, length)| *length == Some(0)) {
            return Err(ConfigError::Value {
                field,
                problem: "the list is empty".to_owned(),
            });
        }
        Ok(config)
    }

    /// The environments in promotion order.
    #[must_use]
    pub(crate) fn environments(&self) -> Vec<Environment> {
        self.environments.clone().unwrap_or_else(|| {
            ["dev", "staging", "main"]
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect()
        })
    }

    /// The Modal app.
    #[must_use]
    pub(crate) fn modal_app(&self) -> PathBuf {
        let usual = || self.context().join("modal_app.py");
        self.modal.app.clone().unwrap_or_else(usual)
    }

    /// The build context.
    #[must_use]
    pub(crate) fn context(&self) -> PathBuf {
        self.context
            .clone()
            .unwrap_or_else(|| PathBuf::from("code"))
    }
}

/// A promotion goes from each to the next.
fn check_environments(environments: &[Environment]) -> Result<(), ConfigError> {
    let wrong = |problem| ConfigError::Value {
        field: "environments",
        problem,
    };
    if environments.is_empty() {
        return Err(wrong("the list is empty".to_owned()));
    }
    for (index, environment) in environments.iter().enumerate() {
        if environments[..index].contains(environment) {
            return Err(wrong(format!("`{environment}` is there twice")));
        }
    }
    Ok(())
}

fn stays_inside(path: &Path) -> bool {
    use std::path::Component;
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, "pipeline.yml".into())
    }

    #[test]
    fn an_empty_file_is_all_defaults() {
        assert_eq!(parse("# nothing yet\n").unwrap(), Config::default());
        let names: Vec<_> = Config::default()
            .environments()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["dev", "staging", "main"]);
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let error = parse("base-image: {}\n").unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("base-image"), "{source}");
        assert!(source.contains("base-images"), "{source}");
    }

    #[test]
    fn environments_are_some_and_each_once() {
        for (list, problem) in [
            ("[]", "the list is empty"),
            ("[dev, main, dev]", "`dev` is there twice"),
        ] {
            let error = parse(&format!("environments: {list}\n")).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("use `environments` of `pipeline.yml`: {problem}")
            );
        }
        let config = parse("environments: [main, dev]\n").unwrap();
        assert_eq!(config.environments().len(), 2);
    }

    #[test]
    fn an_empty_list_is_refused_by_name() {
        for field in ["registry-files", "platforms", "environments"] {
            let error = parse(&format!("{field}: []\n")).unwrap_err().to_string();
            assert!(error.contains(field) && error.contains("empty"), "{error}");
        }
    }

    #[test]
    fn the_build_is_configured() {
        let text = "build:\n  jobs: 4\n  cache-from: ['type=gha']\n  secrets: {pip: env:PIP_TOKEN}\n  \
                    provenance: max\n  sbom: true\n  labels: {a: b}\n  source-date-epoch: 0\n  \
                    max-age: 30d\n";
        let build = parse(text).unwrap().build;
        assert_eq!(build.secrets["pip"], SecretFrom::Env("PIP_TOKEN".into()));
        assert_eq!(build.source_date_epoch, Some(0));
        assert_eq!(build.max_age, Some("30d".parse().unwrap()));
        for wrong in [
            "jobs: 0",
            "secrets: {pip: hunter22}",
            "max-age: soon",
            "provenance: all",
            "sbom: 3",
            "sbom: No Image",
            "job: 1",
        ] {
            let error = parse(&format!("build: {{{wrong}}}\n")).unwrap_err();
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(!source.contains("hunter22"), "{source}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        for text in [
            "context: ../x",
            "modal: {app: /etc/passwd}",
            "acceptance: {directory: a/../../b}",
            "acceptance: {compose-override: [a.yml, /etc/b.yml]}",
            "build: {secrets: {x: file:../../etc/passwd}}",
        ] {
            assert!(
                matches!(parse(text), Err(ConfigError::Escapes { .. })),
                "{text}"
            );
        }
    }
}
