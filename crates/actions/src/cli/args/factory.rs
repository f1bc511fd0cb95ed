use clap::Args;
use clap::builder::FalseyValueParser;
use image_factory::plan::Provenance;
use registry_model::Platform;

use super::{Filled, JsonArg, RepoArgs};
use crate::config::{Age, Pair, SecretPair};

/// `pipeline plan`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline plan\n  pipeline plan --processors llm/litellm --json plan.json\n  pipeline plan --offline                      # what the files alone tell\n  pipeline plan --matrix                       # a job for each image to build\n\nIn a workflow, `--matrix` sets the outputs `matrix`, `count` and `any`; give the job that uses\nthe matrix `if: needs.plan.outputs.any == 'true'`, as an empty matrix is an error there."
)]
pub(in crate::cli) struct PlanArgs {
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    #[command(flatten)]
    pub(in crate::cli) factory: FactoryArgs,
    /// Ask the registry nothing: everything whose pin cannot be known to be right is to build
    #[arg(long)]
    pub(in crate::cli) offline: bool,
    /// Print a matrix for GitHub Actions instead of the table
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) matrix: bool,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
    #[command(flatten)]
    pub(in crate::cli) settings: SettingArgs,
}

/// Where images go.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct PlaceArgs {
    /// Where images go whose entry names no repository, as in `ghcr.io/acme/models`
    #[arg(long, value_name = "PREFIX", env = "PIPELINE_IMAGE_PREFIX")]
    pub(in crate::cli) image_prefix: Option<String>,
    /// Push everything to this registry, keeping the paths
    #[arg(long, value_name = "HOST", env = "PIPELINE_REGISTRY")]
    pub(in crate::cli) registry: Option<String>,
    /// What to build for [default: linux/amd64]
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub(in crate::cli) platforms: Vec<Platform>,
}

/// What decides where images go and whether they are built.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct FactoryArgs {
    #[command(flatten)]
    pub(in crate::cli) place: PlaceArgs,
    /// Build even what the registry already has
    #[arg(long, env = "PIPELINE_REBUILD", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) rebuild: bool,
    /// Build what is older than this, as in `30d` (`m`, `h`, `d` or `w`)
    #[arg(long, value_name = "AGE", env = "PIPELINE_MAX_AGE", hide_env = true, value_parser = Age::optional)]
    pub(in crate::cli) max_age: Option<Filled<Age>>,
}

/// What goes into every image beyond its Dockerfile. Part of the input key.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What goes into every image")]
pub(in crate::cli) struct SettingArgs {
    /// Attach how the image was made; `max` with the build arguments and the Dockerfile
    #[arg(long, value_name = "min|max", value_parser = provenance)]
    pub(in crate::cli) provenance: Option<Provenance>,
    /// Attach a list of what is in the image
    #[arg(long)]
    pub(in crate::cli) sbom: bool,
    /// Add a label
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(in crate::cli) labels: Vec<Pair>,
    /// Add an annotation to the manifest
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    pub(in crate::cli) annotations: Vec<Pair>,
    /// Set all times in the image to this, so that two builds give one digest
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) source_date_epoch: Option<u32>,
}

fn provenance(text: &str) -> Result<Provenance, String> {
    match text {
        "min" => Ok(Provenance::Min),
        "max" => Ok(Provenance::Max),
        _ => Err("expected `min` or `max`".to_owned()),
    }
}

/// `pipeline build`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline build --json build.json\n  pipeline build --dry-run\n  pipeline build --registry 127.0.0.1:5000 --processors text_summarize\n  pipeline build --only text/summarize@1 --json reports/summarize.json   # one job of a matrix\n  pipeline build --secret pip=env:PIP_TOKEN --cache-from type=gha --cache-to type=gha,mode=max\n  pipeline build --source-date-epoch 0                                   # two builds, one digest"
)]
pub(in crate::cli) struct BuildArgs {
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    #[command(flatten)]
    pub(in crate::cli) factory: FactoryArgs,
    /// Images that are built at once [default: as many as the builder likes]
    #[arg(long, value_name = "N", env = "PIPELINE_JOBS", hide_env = true, value_parser = optional_jobs)]
    pub(in crate::cli) jobs: Option<Filled<usize>>,
    /// Stop at the first image that fails; `false` where `pipeline.yml` says so and this run must not
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        env = "PIPELINE_FAIL_FAST",
        hide_env = true,
        value_parser = optional_switch
    )]
    pub(in crate::cli) fail_fast: Option<Filled<bool>>,
    /// The builder of buildx, as `docker buildx ls` names it [default: the current one]
    #[arg(long, value_name = "NAME", env = "PIPELINE_BUILDER", hide_env = true)]
    pub(in crate::cli) builder: Option<String>,
    /// Take layers from this cache, as in `type=registry,ref=ghcr.io/acme/cache`
    #[arg(
        long,
        value_name = "CACHE",
        env = "PIPELINE_CACHE_FROM",
        hide_env = true,
        value_delimiter = '\n'
    )]
    pub(in crate::cli) cache_from: Vec<String>,
    /// Write layers to this cache, as in `type=gha,mode=max`
    #[arg(
        long,
        value_name = "CACHE",
        env = "PIPELINE_CACHE_TO",
        hide_env = true,
        value_delimiter = '\n'
    )]
    pub(in crate::cli) cache_to: Vec<String>,
    /// Let `RUN --mount=type=secret,id=ID` see this
    #[arg(
        long = "secret",
        value_name = "ID=env:NAME|file:PATH",
        env = "PIPELINE_SECRETS",
        hide_env = true,
        value_delimiter = '\n',
        value_parser = SecretPair::optional
    )]
    pub(in crate::cli) secrets: Vec<Option<SecretPair>>,
    /// Add the label `org.opencontainers.image.revision`: the commit of the build, also when later ones reuse it
    #[arg(long)]
    pub(in crate::cli) revision_label: bool,
    /// Only say what would be built
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
    #[command(flatten)]
    pub(in crate::cli) settings: SettingArgs,
}

fn optional_switch(text: &str) -> Result<Option<bool>, String> {
    match text.trim() {
        "" => Ok(None),
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

fn optional_jobs(text: &str) -> Result<Option<usize>, String> {
    match text.trim() {
        "" => Ok(None),
        text => match text.parse() {
            Ok(jobs) if jobs > 0 => Ok(Some(jobs)),
            _ => Err("expected a number from 1".to_owned()),
        },
    }
}
