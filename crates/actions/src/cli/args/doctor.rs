use clap::{Args, Subcommand};
use registry_model::Environment;

use super::factory::PlaceArgs;
use super::{JsonArg, ModalArgs, RepoArgs, SecretArgs};

/// `pipeline doctor`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline doctor registry\n  pipeline doctor registry --processors llm/litellm --json access.json\n  pipeline doctor modal --env dev"
)]
pub(in crate::cli) struct DoctorArgs {
    /// What to check
    #[command(subcommand)]
    pub(in crate::cli) command: DoctorCommand,
}

/// What `pipeline doctor` can check.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum DoctorCommand {
    /// May we pull from and push to each repository? Nothing is stored
    #[command(
        after_help = "Examples:\n  pipeline doctor registry\n  pipeline doctor registry --registry 127.0.0.1:5000 --json access.json\n\nIt ends with 18 when access to a repository is refused, and says what to change for each."
    )]
    Registry(Box<RegistryArgs>),
    /// Is there all that a deploy to an environment needs? Nothing is changed
    #[command(
        after_help = "Examples:\n  pipeline doctor modal --env dev\n  pipeline doctor modal --env staging --create-environment --json preflight.json\n\nThe token, the environment, the image builders, the Modal command line, the app file, the names of\nthe apps, REGISTRY_AUTH, every declared secret and every pinned image are looked at side by side.\nIt ends with 14 when a deploy would fail, and says what to change for each reason."
    )]
    Modal(Box<ModalDoctorArgs>),
}

/// `pipeline doctor registry`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct RegistryArgs {
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    #[command(flatten)]
    pub(in crate::cli) place: PlaceArgs,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
}

/// `pipeline doctor modal`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ModalDoctorArgs {
    #[command(flatten)]
    pub(in crate::cli) repo: RepoArgs,
    /// The Modal environment
    #[arg(long, value_name = "NAME", env = "MODAL_ENVIRONMENT")]
    pub(in crate::cli) env: Environment,
    /// Make the environment when it is missing: the one thing that is changed
    #[arg(long)]
    pub(in crate::cli) create_environment: bool,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
    #[command(flatten)]
    pub(in crate::cli) source: SecretArgs,
    #[command(flatten)]
    pub(in crate::cli) modal: ModalArgs,
}
