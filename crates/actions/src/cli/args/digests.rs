use std::path::PathBuf;

use clap::Args;

use super::JsonArg;

/// `pipeline digests`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline digests\n  pipeline digests --branches dev,main --last 10 --json digests.json\n  pipeline digests --keep-list keep.txt       # for a clean-up job\n\nIt needs the history of the branches: `fetch-depth: 0` of actions/checkout. It ends with 17 when\na digest is missing, after listing all."
)]
pub(in crate::cli) struct DigestsArgs {
    /// The repository, a git clone
    #[arg(long, value_name = "DIR", default_value = ".", env = "PIPELINE_REPO")]
    pub(in crate::cli) repo: PathBuf,
    /// The branches to read [default: those of the environments]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(in crate::cli) branches: Vec<String>,
    /// The branches of open pin requests; what they pin is kept, too
    #[arg(
        long,
        value_name = "PATTERNS",
        value_delimiter = ',',
        default_value = "bot/pin-*"
    )]
    pub(in crate::cli) requests: Vec<String>,
    /// Also keep this many earlier pins of each processor on each branch, for rollbacks
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(in crate::cli) last: usize,
    /// Write `<repository>@<digest>` for each, one a line, to this file (`-`: standard output)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) keep_list: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
}
