use clap::Args;
use clap::builder::FalseyValueParser;
use registry_model::Environment;

use super::{GithubArgs, JsonArg, ModalArgs, RepoArgs, SecretArgs};

/// `pipeline promote`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline promote --from dev --to staging --dry-run    # what would move, and why not\n  pipeline promote --from dev --to staging              # opens or updates the pull request\n  pipeline promote --from staging --to main --merge --json promotion.json\n  pipeline promote --from dev --to staging --processors text/summarize@1\n  pipeline promote --from dev --to main --bypass --why 'key leaked, see incident 12'\n\nThe rules are those of pipeline.yml on the branch of the target. It ends with 16 when something may\nnot go, with every processor, why not, and what to do about it; then nothing is changed. The token\ncomes from GITHUB_TOKEN; with MODAL_TOKEN_ID and MODAL_TOKEN_SECRET the target is compared with\nwhat a deploy there will need."
)]
pub(in crate::cli) struct PromoteArgs {
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    /// The environment to take the pins from
    #[arg(long, value_name = "NAME", env = "PIPELINE_FROM")]
    pub(in crate::cli) from: Environment,
    /// The environment to take them to
    #[arg(long, value_name = "NAME", env = "PIPELINE_TO")]
    pub(in crate::cli) to: Environment,
    /// Merge the pull request at once
    #[arg(long, env = "PIPELINE_MERGE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) merge: bool,
    /// Go on without receipts, and whatever the target has from elsewhere; the report tells who did
    /// so and why, and so does the receipt that `pipeline attest` writes from it
    #[arg(long, env = "PIPELINE_BYPASS", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) bypass: bool,
    /// The reason for --bypass
    #[arg(
        long,
        value_name = "TEXT",
        env = "PIPELINE_BYPASS_WHY",
        hide_env = true
    )]
    pub(in crate::cli) why: Option<String>,
    /// Do not compare the target with what a deploy there will need
    #[arg(long, env = "PIPELINE_NO_PARITY", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) no_parity: bool,
    /// Go on although a person holds these in the target, and with --merge let them go: refs,
    /// separated by commas
    #[arg(
        long,
        value_name = "REFS",
        value_delimiter = ',',
        env = "PIPELINE_RELEASE_HOLD",
        hide_env = true
    )]
    pub(in crate::cli) release_hold: Vec<String>,
    /// Only say what would move, and why not
    #[arg(long, env = "PIPELINE_DRY_RUN", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
    #[command(flatten)]
    pub(in crate::cli) github: GithubArgs,
    #[command(flatten)]
    pub(in crate::cli) secrets: SecretArgs,
    #[command(flatten)]
    pub(in crate::cli) modal: ModalArgs,
}
