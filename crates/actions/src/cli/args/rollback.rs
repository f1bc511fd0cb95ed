use std::path::PathBuf;

use clap::Args;
use registry_model::Environment;

use super::{GithubArgs, JsonArg, ModalArgs, SecretArgs};

/// `pipeline rollback`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline rollback --processor llm/litellm@1                   # propose the pin before\n  pipeline rollback --processor llm/litellm@1 --now             # and deploy it at once\n  pipeline rollback --processor llm/litellm@1 --env main --to 1a2b3c4 --now\n  pipeline rollback --processor llm/litellm@1 --release-hold    # automation may deploy again\n\n--now holds the app: `pipeline deploy` leaves it alone until the registry files pin the same\ndigest, or the hold is released. The Modal token comes from MODAL_TOKEN_ID and\nMODAL_TOKEN_SECRET, that for the pull request from GITHUB_TOKEN, secrets as for\n`pipeline deploy`."
)]
pub(in crate::cli) struct RollbackArgs {
    /// The repository, a git clone with its history
    #[arg(long, value_name = "DIR", default_value = ".", env = "PIPELINE_REPO")]
    pub(in crate::cli) repo: PathBuf,
    /// The processor: its ref, package or image name
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) processor: String,
    /// The environment, and the branch whose pins are gone through
    #[arg(
        long,
        value_name = "NAME",
        env = "MODAL_ENVIRONMENT",
        default_value = "dev"
    )]
    pub(in crate::cli) env: Environment,
    /// What to go back to: a digest, or a commit that pins it [default: the pin before this one]
    #[arg(long, value_name = "DIGEST|COMMIT")]
    pub(in crate::cli) to: Option<String>,
    /// Deploy it at once, smoke it, and hold it
    #[arg(long)]
    pub(in crate::cli) now: bool,
    /// Have Modal itself go back at once, where the plan allows it, instead of a deploy
    #[arg(long)]
    pub(in crate::cli) native: bool,
    /// Only end the hold of an earlier rollback
    #[arg(long, conflicts_with_all = ["to", "now", "native"])]
    pub(in crate::cli) release_hold: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// The branch that the pull request is for
    #[arg(
        long,
        value_name = "BRANCH",
        default_value = "dev",
        env = "PIPELINE_BASE"
    )]
    pub(in crate::cli) base: String,
    #[command(flatten)]
    pub(in crate::cli) github: GithubArgs,
    #[command(flatten)]
    pub(in crate::cli) secrets: SecretArgs,
    #[command(flatten)]
    pub(in crate::cli) modal: ModalArgs,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
}
