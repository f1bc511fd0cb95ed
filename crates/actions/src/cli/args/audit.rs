use std::path::PathBuf;

use clap::Args;

use super::{GithubArgs, JsonArg, ModalArgs};

/// `pipeline audit`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline audit\n  pipeline audit --env staging,main --json audit.json\n  pipeline audit --issue      # once a week, in a workflow that may write issues\n\nPins are those of each environment's branch, as `origin` has it in this clone. The Modal token\ncomes from MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, that for --issue from GITHUB_TOKEN. It ends with\n17 when something is not as git has it."
)]
pub(in crate::cli) struct AuditArgs {
    /// The repository, a git clone
    #[arg(long, value_name = "DIR", default_value = ".", env = "PIPELINE_REPO")]
    pub(in crate::cli) repo: PathBuf,
    /// The environments, separated by commas
    #[arg(
        long,
        value_name = "all|NAMES",
        value_delimiter = ',',
        default_value = "all"
    )]
    pub(in crate::cli) env: Vec<String>,
    /// List deployed apps that have nothing to do with this repository, too
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Keep one issue on GitHub about what is wrong, and close it when nothing is
    #[arg(long)]
    pub(in crate::cli) issue: bool,
    #[command(flatten)]
    pub(in crate::cli) github: GithubArgs,
    #[command(flatten)]
    pub(in crate::cli) modal: ModalArgs,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
}
