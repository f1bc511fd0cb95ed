use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::{Filled, JsonArg, RepoArgs};
use crate::config::Pending;

/// What `pipeline accept` can be reduced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum AcceptPart {
    // No doc comments: they would be help texts of their own and make a page of three lines long.
    Contract,
    Suite,
}

/// `pipeline accept`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline accept\n  pipeline accept --again                            # also what receipts say has passed\n  pipeline accept --processors text_summarize --json acceptance.json\n  pipeline accept --part contract --case short-text\n\nIn a workflow for a pull request it does something only when the pull request has the label\n`run-acceptance`, and ends with 0 otherwise."
)]
pub(in crate::cli) struct AcceptArgs {
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    /// Prove the images in one way only: by the cases of their registry files, or by the suite
    #[arg(long, value_enum, value_name = "PART")]
    pub(in crate::cli) part: Option<AcceptPart>,
    /// Run this case of the contract, and no other that is not named; also leaves out the suite
    #[arg(long = "case", value_name = "NAME")]
    pub(in crate::cli) cases: Vec<String>,
    /// Run also what has passed already, by the receipts beside the images
    #[arg(long, env = "PIPELINE_AGAIN", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) again: bool,
    /// What to do while a digest is pending [default: skip]
    #[arg(long, value_name = "skip|fail", env = "PIPELINE_PENDING", hide_env = true, value_parser = optional_pending)]
    pub(in crate::cli) pending: Option<Filled<Pending>>,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
}

/// Nothing for an empty text: an action's empty input arrives as that.
fn optional_pending(text: &str) -> Result<Option<Pending>, String> {
    match text.trim() {
        "" => Ok(None),
        text => {
            let read = Pending::from_str(text, false);
            read.map(Some)
                .map_err(|_| "expected `skip` or `fail`".to_owned())
        }
    }
}
