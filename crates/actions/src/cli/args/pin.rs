use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use github::MergeMethod;
use registry_model::{PinnedImage, Platform};

use super::{Filled, GithubArgs, JsonArg, RepoArgs};

/// `pipeline pin`.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  pipeline pin --from build.json                      # rewrite the files here\n  pipeline pin --from reports/*.json --propose        # what the jobs of a matrix built\n  pipeline pin --from build.json --propose --branch bot/pin --label pins --reviewer ann\n  pipeline pin --from build.json --propose --dry-run --run-id 1   # what would be on GitHub\n  pipeline pin set registry/a.yaml ghcr.io/acme/a@sha256:…\n\nThe token for --propose comes from GITHUB_TOKEN. In a workflow it sets the outputs `changed`,\n`action`, `pull-request-number` and `pull-request-url`."
)]
pub(in crate::cli) struct PinArgs {
    /// Pin one file
    #[command(subcommand)]
    pub(in crate::cli) command: Option<PinCommand>,
    /// The reports that `pipeline build --json` wrote: files, or folders of them
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub(in crate::cli) from: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    /// Leave the files alone; commit to a bot branch on GitHub and open a pull request
    #[arg(long)]
    pub(in crate::cli) propose: bool,
    /// Only say what would change, here or, with --propose, on GitHub
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
    #[command(flatten)]
    pub(in crate::cli) request: RequestArgs,
}

/// What becomes of the pull request.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The pull request (with --propose)")]
pub(in crate::cli) struct RequestArgs {
    /// The branch that the pull request is for
    #[arg(
        long,
        value_name = "BRANCH",
        default_value = "dev",
        env = "PIPELINE_BASE"
    )]
    pub(in crate::cli) base: String,
    /// Names the bot branch: `bot/pin-<run id>`
    #[arg(long, value_name = "ID", env = "GITHUB_RUN_ID")]
    pub(in crate::cli) run_id: Option<String>,
    /// Always propose from this branch, and update the pull request that is open
    #[arg(
        long,
        value_name = "NAME",
        env = "PIPELINE_PIN_BRANCH",
        hide_env = true
    )]
    pub(in crate::cli) branch: Option<String>,
    /// Put this label on it
    #[arg(
        long = "label",
        value_name = "NAME",
        env = "PIPELINE_PIN_LABELS",
        hide_env = true,
        value_delimiter = ','
    )]
    pub(in crate::cli) labels: Vec<String>,
    /// Ask this person for a review
    #[arg(
        long = "reviewer",
        value_name = "LOGIN",
        env = "PIPELINE_PIN_REVIEWERS",
        hide_env = true,
        value_delimiter = ','
    )]
    pub(in crate::cli) reviewers: Vec<String>,
    /// Ask this team of the organization for a review
    #[arg(
        long = "team-reviewer",
        value_name = "SLUG",
        env = "PIPELINE_PIN_TEAM_REVIEWERS",
        hide_env = true,
        value_delimiter = ','
    )]
    pub(in crate::cli) team_reviewers: Vec<String>,
    /// Open it as a draft
    #[arg(long, env = "PIPELINE_PIN_DRAFT", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) draft: bool,
    /// Have GitHub merge it in this way when its checks have passed
    #[arg(long, value_name = "merge|squash|rebase", env = "PIPELINE_PIN_AUTO_MERGE", hide_env = true, value_parser = optional_method)]
    pub(in crate::cli) auto_merge: Option<Filled<MergeMethod>>,
    /// Go on although a person committed to the bot branch, or closed a request for the same pins
    #[arg(long, env = "PIPELINE_PIN_TAKEOVER", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) takeover: bool,
    /// Start this workflow on the bot branch, as in `acceptance.yml`
    #[arg(
        long,
        value_name = "WORKFLOW",
        env = "PIPELINE_PIN_DISPATCH",
        hide_env = true
    )]
    pub(in crate::cli) dispatch: Option<String>,
    /// The commit status that is pending until that workflow sets it [default: acceptance]
    #[arg(
        long,
        value_name = "NAME",
        env = "PIPELINE_PIN_STATUS_CONTEXT",
        hide_env = true
    )]
    pub(in crate::cli) status_context: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) github: GithubArgs,
}

/// An action hands on an input that nobody set as an empty variable.
fn optional_method(text: &str) -> Result<Option<MergeMethod>, String> {
    match text.trim() {
        "" => Ok(None),
        "merge" => Ok(Some(MergeMethod::Merge)),
        "squash" => Ok(Some(MergeMethod::Squash)),
        "rebase" => Ok(Some(MergeMethod::Rebase)),
        _ => Err("expected `merge`, `squash` or `rebase`".to_owned()),
    }
}

/// What `pipeline pin` can do besides.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum PinCommand {
    /// Write one pin into one file, byte for byte; 0: written or already so, 2: refused, untouched
    #[command(
        after_help = "Examples:\n  pipeline pin set registry/a.yaml ghcr.io/acme/a@sha256:…\n  pipeline pin set tools/llm/a/1/registry.yaml ghcr.io/acme/a@sha256:… --platform linux/arm64"
    )]
    Set {
        /// The registry file
        file: PathBuf,
        /// `<repository>@sha256:<64 hex>`
        image: PinnedImage,
        /// Write `image.platforms.<arch>` instead of `image.oci`
        #[arg(long, value_name = "PLATFORM")]
        platform: Option<Platform>,
        #[command(flatten)]
        json: JsonArg,
    },
}
