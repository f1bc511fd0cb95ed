use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use registry_model::{Environment, Repository};

use super::JsonArg;
use crate::config::Age;

/// `pipeline attest`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline attest --from build.json --key cosign.key\n  pipeline attest --from acceptance.json --expires 90d\n  pipeline attest --from deploy.json --env dev --json attest.json\n  pipeline attest --from reports/ --dry-run                 # what would be stored\n\nWithout --key, the private key is the text of SIGNING_KEY; without both, receipts are not signed.\nCOSIGN_PASSWORD opens a key that cosign made. Run it in a job of its own, at the commit that the\nstage ran at: with a key, no code of the repository should run beside it."
)]
pub(in crate::cli) struct AttestArgs {
    /// Reports of `build`, `accept`, `deploy` and `promote`, or folders of them; may be given again
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub(in crate::cli) from: Vec<PathBuf>,
    /// The repository, at the commit that the reports are about
    #[arg(long, value_name = "DIR", default_value = ".", env = "PIPELINE_REPO")]
    pub(in crate::cli) repo: PathBuf,
    /// The environments that may be deployed or promoted to: a report alone is not believed to say so
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(in crate::cli) env: Vec<Environment>,
    /// Where images may have been pushed besides the repositories of the registry files
    #[arg(long, value_name = "REPOSITORY", value_delimiter = ',')]
    pub(in crate::cli) allow_repository: Vec<Repository>,
    /// The private key to sign with
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) key: Option<PathBuf>,
    /// After how long receipts no longer count, as in `90d` (`m`, `h`, `d` or `w`) [default: never]
    #[arg(long, value_name = "AGE")]
    pub(in crate::cli) expires: Option<Age>,
    /// Only say what would be stored
    #[arg(long, env = "PIPELINE_DRY_RUN", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
}
