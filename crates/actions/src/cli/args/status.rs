use clap::Args;

use super::{JsonArg, ModalArgs, RepoArgs};

/// What is told of the whole: which processors, which environments.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ViewArgs {
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    /// The environments, separated by commas
    #[arg(
        long,
        value_name = "all|NAMES",
        value_delimiter = ',',
        default_value = "all"
    )]
    pub(in crate::cli) env: Vec<String>,
    /// Leave out what Modal runs
    #[arg(long)]
    pub(in crate::cli) offline_modal: bool,
    /// The repository on GitHub, for headings and links; it is not asked
    #[arg(long, value_name = "OWNER/NAME", env = "GITHUB_REPOSITORY")]
    pub(in crate::cli) github: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) modal: ModalArgs,
}

/// `pipeline status`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline status\n  pipeline status --env staging,main --json status.json\n  pipeline status --processors llm/litellm --offline-modal\n\nPins are those of each environment's branch, as `origin` has it in this clone; the registry\nsays what is proven, and Modal what is live. It ends with 17 when something that runs is not as git\nhas it. When the registry or Modal could not be asked, that stands below the table, and it ends\nwith the code of what went wrong; `--offline-modal` leaves Modal out on purpose."
)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    pub(in crate::cli) view: ViewArgs,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
}
