use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use modal_deploy::OnFailure;
use registry_model::Environment;

use super::{Filled, JsonArg, RepoArgs, SecretArgs};

/// `pipeline deploy`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline deploy --env dev\n  pipeline deploy --env dev --dry-run                       # what would be done, and why\n  pipeline deploy --env staging --create-environment --json deploy.json --logs logs\n  pipeline deploy --env main --on-failure rollback --secrets-json secrets.json\n  pipeline deploy --env dev --release-hold llm/litellm@1    # end what `pipeline rollback` set\n\nThe Modal token comes from MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, secrets from the environment by\ntheir names (for environment dev, NAME_DEV wins over NAME). What is live already is left alone;\nwhat failed is tried again by running the same once more."
)]
pub(in crate::cli) struct DeployArgs {
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    /// The Modal environment
    #[arg(long, value_name = "NAME", env = "MODAL_ENVIRONMENT")]
    pub(in crate::cli) env: Environment,
    /// Make the environment when it is missing
    #[arg(long, env = "PIPELINE_CREATE_ENVIRONMENT", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) create_environment: bool,
    /// Write every secret and deploy every processor, whatever is live
    #[arg(long, env = "PIPELINE_FORCE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) force: bool,
    /// What becomes of an app whose deploy or smoke failed [default: keep]
    #[arg(long, value_name = "keep|rollback", env = "PIPELINE_ON_FAILURE", hide_env = true, value_parser = optional_on_failure)]
    pub(in crate::cli) on_failure: Option<Filled<OnFailure>>,
    /// Let go of what a person holds at another digest: refs or apps, separated by commas
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        env = "PIPELINE_RELEASE_HOLD",
        hide_env = true
    )]
    pub(in crate::cli) release_hold: Vec<String>,
    /// Leave out the calls that prove what was deployed
    #[arg(long, env = "PIPELINE_NO_SMOKE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) no_smoke: bool,
    /// Deploys that run at once [default: the number of cores]
    #[arg(long, value_name = "N", env = "PIPELINE_JOBS", hide_env = true, value_parser = optional_jobs)]
    pub(in crate::cli) jobs: Option<Filled<NonZeroUsize>>,
    /// End a deploy that takes longer, image build included [default: 1200]
    #[arg(long, value_name = "SECONDS", env = "PIPELINE_DEPLOY_TIMEOUT", hide_env = true, value_parser = optional_seconds)]
    pub(in crate::cli) timeout: Option<Filled<u64>>,
    /// Write what each `modal deploy` says to `<app>.log` in this folder
    #[arg(long, value_name = "DIR", env = "PIPELINE_LOGS", hide_env = true, value_parser = optional_folder)]
    pub(in crate::cli) logs: Option<Filled<PathBuf>>,
    /// Only say what would be done, and why
    #[arg(long, env = "PIPELINE_DRY_RUN", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
    #[command(flatten)]
    pub(in crate::cli) secrets: SecretArgs,
    #[command(flatten)]
    pub(in crate::cli) modal: ModalArgs,
}

/// How Modal is asked.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ModalArgs {
    /// Ask Modal directly, or by its own command line, for the day when its interface has changed
    #[arg(
        long,
        value_name = "native|cli",
        env = "PIPELINE_MODAL_BACKEND",
        hide_env = true,
        value_parser = optional_backend
    )]
    pub(in crate::cli) modal_backend: Option<Filled<Backend>>,
}

/// Who asks Modal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Backend {
    /// This program.
    #[default]
    Native,
    /// The program `modal`.
    Cli,
}

fn optional_backend(text: &str) -> Result<Option<Backend>, String> {
    match text.trim() {
        "" => Ok(None),
        text => Backend::from_str(text, false)
            .map(Some)
            .map_err(|_| "expected `native` or `cli`".to_owned()),
    }
}

fn optional_on_failure(text: &str) -> Result<Option<OnFailure>, String> {
    match text.trim() {
        "" => Ok(None),
        "keep" => Ok(Some(OnFailure::Keep)),
        "rollback" => Ok(Some(OnFailure::Rollback)),
        _ => Err("expected `keep` or `rollback`".to_owned()),
    }
}

fn optional_folder(text: &str) -> Result<Option<PathBuf>, Infallible> {
    Ok((!text.is_empty()).then(|| text.into()))
}

fn optional_jobs(text: &str) -> Result<Option<NonZeroUsize>, String> {
    match text.trim() {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| "expected a number from 1".to_owned()),
    }
}

fn optional_seconds(text: &str) -> Result<Option<u64>, String> {
    match text.trim() {
        "" => Ok(None),
        text => match text.parse() {
            Ok(seconds) if seconds > 0 => Ok(Some(seconds)),
            _ => Err("expected a number of seconds from 1".to_owned()),
        },
    }
}
