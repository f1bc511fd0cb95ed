use std::path::PathBuf;

use image_factory::plan::{ImageSettings, PlanOptions, Sbom};
use modal_deploy::Processor;
use registry_model::{Entry, LoadOptions, Platform, Registry};

use super::args::{FactoryArgs, GithubArgs, PlaceArgs, RepoArgs, SettingArgs};
use super::failures::of_findings;
use crate::config::{Config, Pair};
use crate::exit::Exit;
use crate::ui::Failure;

/// A repository as every command sees it: its settings and its registry files.
pub(super) struct Context {
    pub(super) root: PathBuf,
    pub(super) config: Config,
    pub(super) registry: Registry,
    wanted: Vec<String>,
}

impl Context {
    pub(super) fn open(args: &RepoArgs) -> Result<Self, Failure> {
        let root = args.repo.canonicalize().map_err(|error| {
            Failure::new(
                Exit::Input,
                format!("open `{}`: {error}", args.repo.display()),
            )
        })?;
        let config = Config::load(&root)?;
        let registry = Registry::load(&root, &load_options(&config))
            .map_err(|findings| of_findings(findings, &root))?;
        for warning in &registry.warnings {
            tracing::warn!("{warning}");
        }
        Ok(Self {
            root,
            config,
            registry,
            wanted: filled(&args.processors),
        })
    }

    /// Whether the caller named some processors.
    pub(super) fn is_narrowed(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The processors that the command is about.
    pub(super) fn entries(&self) -> Result<Vec<&Entry>, Failure> {
        Ok(self.registry.select(&self.wanted)?)
    }

    /// The same as Modal is to have them.
    pub(super) fn processors(&self) -> Result<Vec<Processor>, Failure> {
        let platform = Platform::linux_amd64();
        let entries = self.entries()?.into_iter();
        Ok(entries
            .map(|entry| Processor::from_entry(entry, &platform))
            .collect())
    }

    /// How to plan with these arguments; what they leave open is as `pipeline.yml` says.
    pub(super) fn plan_options(&self, args: &FactoryArgs, settings: &SettingArgs) -> PlanOptions {
        let mut options = self.place_options(&args.place);
        options.settings = self.settings(settings);
        options.rebuild = args.rebuild;
        let max_age = args.max_age.flatten().or(self.config.build.max_age);
        options.max_age = max_age.map(|age| age.0);
        options
    }

    /// How to plan where images go.
    pub(super) fn place_options(&self, args: &PlaceArgs) -> PlanOptions {
        let mut options = PlanOptions::new(&self.root);
        let from_github = || {
            let repository = set("GITHUB_REPOSITORY")?;
            Some(format!("ghcr.io/{}", repository.to_ascii_lowercase()))
        };
        options.image_prefix = non_empty(args.image_prefix.clone())
            .or_else(|| self.config.image_prefix.clone())
            .or_else(from_github);
        options.registry_host = non_empty(args.registry.clone());
        options.platforms = if args.platforms.is_empty() {
            platforms(&self.config)
        } else {
            args.platforms.clone()
        };
        options.base_images = self.config.base_images.clone();
        options
    }

    /// How a merge of pins is planned.
    pub(super) fn pin_options(&self) -> PlanOptions {
        let mut options = PlanOptions::new(&self.root);
        options.platforms = platforms(&self.config);
        options.base_images = self.config.base_images.clone();
        options.settings = self.config.build.settings();
        options
    }

    fn settings(&self, args: &SettingArgs) -> ImageSettings {
        let mut settings = self.config.build.settings();
        settings.provenance = args.provenance.or(settings.provenance);
        if args.sbom && settings.sbom == Sbom::No {
            settings.sbom = Sbom::Standard;
        }
        let epoch = args.source_date_epoch.map(i64::from);
        settings.source_date_epoch = epoch.or(settings.source_date_epoch);
        let pairs = |given: &[Pair]| {
            let pair = |pair: &Pair| (pair.key.clone(), pair.value.clone());
            given.iter().map(pair).collect::<Vec<_>>()
        };
        settings.labels.extend(pairs(&args.labels));
        settings.annotations.extend(pairs(&args.annotations));
        settings
    }
}

pub(super) fn load_options(config: &Config) -> LoadOptions {
    let globs = config
        .registry_files
        .clone()
        .unwrap_or_else(|| LoadOptions::default().globs);
    LoadOptions::new(globs, config.context())
}

pub(super) fn platforms(config: &Config) -> Vec<Platform> {
    config
        .platforms
        .clone()
        .unwrap_or_else(|| vec![Platform::linux_amd64()])
}

/// A client for the repository that the arguments name, with the token of the environment.
pub(super) fn github(
    args: &GithubArgs,
    cancel: &tokio_util::sync::CancellationToken,
) -> Result<github::Repo, Failure> {
    let name = non_empty(args.github.clone()).ok_or_else(|| {
        Failure::new(
            Exit::Input,
            "find the repository on GitHub: it is not named",
        )
        .with_hint(Some(
            "give --github OWNER/NAME, or set GITHUB_REPOSITORY".to_owned(),
        ))
    })?;
    let name: github::RepoName = name.parse()?;
    let options = github::RepoOptions {
        api_url: args.github_api.clone(),
        token: set("GITHUB_TOKEN").map(Into::into),
        cancel: cancel.clone(),
        ..github::RepoOptions::new(name)
    };
    Ok(github::Repo::new(options)?)
}

/// A client for registries, with Docker's credentials.
pub(super) fn images() -> Result<oci::Client, Failure> {
    Ok(oci::Client::new(oci::ClientOptions::default())?)
}

/// An environment variable that is set and not empty.
pub(super) fn set(name: &str) -> Option<String> {
    non_empty(std::env::var(name).ok())
}

/// A list without what is empty: an action's empty input arrives as one empty text.
pub(super) fn filled(list: &[String]) -> Vec<String> {
    let trimmed = list.iter().map(|text| text.trim());
    let filled = trimmed.filter(|text| !text.is_empty());
    filled.map(str::to_owned).collect()
}

pub(super) fn non_empty(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}
