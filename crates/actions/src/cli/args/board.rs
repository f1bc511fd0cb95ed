use std::path::PathBuf;

use clap::Args;

use super::{JsonArg, ViewArgs};

/// `pipeline board`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline board --out site/\n  pipeline status --json status.json; pipeline board --from status.json --out site/\n\nThe page needs no other file and no network. It ends with 0 whatever stands on it; when the registry\nor Modal could not be asked, the page says so, and it ends with the code of what went wrong."
)]
pub(in crate::cli) struct BoardArgs {
    #[command(flatten)]
    pub(in crate::cli) view: ViewArgs,
    /// Draw what `pipeline status --json` wrote, and ask nobody
    #[arg(long, value_name = "FILE", conflicts_with_all = ["env", "offline_modal"])]
    pub(in crate::cli) from: Option<PathBuf>,
    /// The folder of the page; `index.html` and `board.json` are written there
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
    /// Replace an `index.html` or a `board.json` that this command has not made
    #[arg(long)]
    pub(in crate::cli) force: bool,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
}
