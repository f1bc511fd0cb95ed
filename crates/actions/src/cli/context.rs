use std::path::PathBuf;

use image_factory::plan::PlanOptions;
use registry_model::{Entry, LoadOptions, Platform, Registry};

use super::args::{FactoryArgs, GithubArgs, RepoArgs};
use super::failures::of_findings;
use crate::config::Config;
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
        // An action's empty input arrives as one empty name.
        let named = args.processors.iter().map(|name| name.trim());
        let wanted = named
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(Self {
            root,
            config,
            registry,
            wanted,
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

    pub(super) fn plan_options(&self, args: &FactoryArgs) -> PlanOptions {
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
        options.rebuild = args.rebuild;
        options
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

fn non_empty(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}
