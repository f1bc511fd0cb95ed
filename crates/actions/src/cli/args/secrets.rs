use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use registry_model::Environment;

use super::{JsonArg, ModalArgs, RepoArgs};

/// `pipeline secrets`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline secrets --env dev\n  pipeline secrets --env dev --dry-run                # what would be written, and why\n  pipeline secrets --env main --secrets-json main.json --json secrets.json\n  sops decrypt --output-type json dev.yaml | pipeline secrets --env dev --secrets-json -\n\nValues come from environment variables by the names of the secrets (for environment dev, NAME_DEV\nwins over NAME), or from one JSON object: --secrets-json, or the text in PIPELINE_SECRETS_JSON, as\nGitHub's `toJSON(secrets)` makes it. The Modal token comes from MODAL_TOKEN_ID and\nMODAL_TOKEN_SECRET. Apps get changed values with the next `pipeline deploy`."
)]
pub(in crate::cli) struct SecretsArgs {
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    /// The Modal environment
    #[arg(long, value_name = "NAME", env = "MODAL_ENVIRONMENT")]
    pub(in crate::cli) env: Environment,
    /// Make the environment when it is missing
    #[arg(long)]
    pub(in crate::cli) create_environment: bool,
    /// Write every secret, changed or not
    #[arg(long, env = "PIPELINE_FORCE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(in crate::cli) force: bool,
    /// Only say what would be written, and why
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
    #[command(flatten)]
    pub(in crate::cli) source: SecretArgs,
    #[command(flatten)]
    pub(in crate::cli) modal: ModalArgs,
}

/// Where the values of secrets come from, instead of variables of their names.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct SecretArgs {
    /// Take the values of secrets from the JSON object in this file (`-`: standard input)
    // The text itself may stand in PIPELINE_SECRETS_JSON, which clap must not know: it would take
    // it for the name of the file, and repeat it in its messages.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) secrets_json: Option<PathBuf>,
}
