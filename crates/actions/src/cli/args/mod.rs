mod accept;
mod attest;
mod audit;
mod board;
mod deploy;
mod digests;
mod doctor;
mod factory;
mod pin;
mod promote;
mod receipts;
mod rollback;
mod secrets;
mod status;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use registry_model::Environment;

pub(super) use accept::{AcceptArgs, AcceptPart};
pub(super) use attest::{AttestArgs, ReportKind, ReportsFrom};
pub(super) use audit::AuditArgs;
pub(super) use board::BoardArgs;
pub(super) use deploy::{Backend, DeployArgs, ModalArgs};
pub(super) use digests::DigestsArgs;
pub(super) use doctor::{DoctorArgs, DoctorCommand, ModalDoctorArgs, RegistryArgs};
pub(super) use factory::{BuildArgs, FactoryArgs, PlaceArgs, PlanArgs, SettingArgs};
pub(super) use pin::{PinArgs, PinCommand, RequestArgs};
pub(super) use promote::PromoteArgs;
pub(super) use receipts::ReceiptsArgs;
pub(super) use rollback::RollbackArgs;
pub(super) use secrets::{SecretArgs, SecretsArgs};
pub(super) use status::{StatusArgs, ViewArgs};

use crate::exit::Exit;

/// A value, or none for an empty text: an action hands an input on that nobody set. The name keeps
/// clap from taking it for a flag whose value may be left out.
pub(super) type Filled<T> = Option<T>;

fn epilogue() -> String {
    let mut text = "Examples:\n  pipeline rehearse\n  pipeline build --json build.json\n  \
                    pipeline pin --from build.json\n\nExit codes:\n"
        .to_owned();
    for (exit, meaning) in Exit::ALL {
        text.push_str(&format!("  {:>3}  {meaning}\n", exit.code()));
    }
    text
}

/// Build processor images once, name them by digest, prove them, and promote exactly those bits.
#[derive(Debug, Parser)]
#[command(name = "pipeline", version, after_help = epilogue(), disable_help_subcommand = true)]
pub(super) struct Cli {
    /// One line for everything that happens, instead of one a stage
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
    /// What to do
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The stages, and what goes with them.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say what must be built, and why
    Plan(Box<PlanArgs>),
    /// Build and push what must be built; report every digest
    Build(Box<BuildArgs>),
    /// Write digests into the registry files, and open the pull request
    Pin(Box<PinArgs>),
    /// Check what the stages need before they need it
    Doctor(DoctorArgs),
    /// List every digest that the branches count on, for clean-ups
    Digests(DigestsArgs),
    /// Prove the pinned images on a compose stack
    Accept(AcceptArgs),
    /// Turn reports of stages into receipts beside the images, signed or not
    Attest(Box<AttestArgs>),
    /// List what has been proven about an image, and what of it is believed
    Receipts(ReceiptsArgs),
    /// Write the declared secrets to a Modal environment, without a deploy
    Secrets(Box<SecretsArgs>),
    /// Deploy the pinned digests to a Modal environment, and smoke-test them
    Deploy(Box<DeployArgs>),
    /// Compare what the branches pin with what Modal runs
    Audit(Box<AuditArgs>),
    /// Show what is pinned, live and proven, environment by environment
    Status(Box<StatusArgs>),
    /// Draw the same as one page for a browser, with the chain of every digest
    Board(Box<BoardArgs>),
    /// Bring an earlier image of one processor back
    Rollback(Box<RollbackArgs>),
    /// Carry the pins of one environment to the next
    Promote(Box<PromoteArgs>),
    /// Run every stage on this machine, with no account anywhere
    Rehearse(RehearseArgs),
    /// Start one of the embedded services alone
    Serve(ServeArgs),
}

/// Which repository, and which of its processors.
#[derive(Args, Clone, Debug)]
pub(super) struct RepoArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".", env = "PIPELINE_REPO")]
    pub(super) repo: PathBuf,
    /// Only these processors: refs, packages or image names, separated by commas
    #[arg(
        long,
        visible_alias = "only",
        value_name = "NAMES",
        value_delimiter = ',',
        env = "PIPELINE_PROCESSORS"
    )]
    pub(super) processors: Vec<String>,
}

/// Where a report goes.
#[derive(Args, Clone, Debug)]
pub(super) struct JsonArg {
    /// Write the report as JSON to this file (`-`: standard output)
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

/// Which repository on which GitHub.
#[derive(Args, Clone, Debug)]
pub(super) struct GithubArgs {
    /// The repository on GitHub, `owner/name`
    #[arg(long, value_name = "OWNER/NAME", env = "GITHUB_REPOSITORY")]
    pub(super) github: Option<String>,
    /// The API, for GitHub Enterprise Server or `pipeline serve github`
    #[arg(
        long,
        value_name = "URL",
        env = "GITHUB_API_URL",
        default_value = "https://api.github.com"
    )]
    pub(super) github_api: String,
}

/// `pipeline rehearse`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline rehearse\n  pipeline rehearse --repo ../my-processors --json report.json\n  pipeline rehearse --keep          # leave the scratch copy to look at"
)]
pub(super) struct RehearseArgs {
    /// The repository; it is copied and never touched [default: the example of this project]
    #[arg(long, value_name = "DIR")]
    pub(super) repo: Option<PathBuf>,
    /// Leave the scratch copy, the registry's and GitHub's data where they are, and say where
    #[arg(long)]
    pub(super) keep: bool,
    #[command(flatten)]
    pub(super) json: JsonArg,
}

/// `pipeline serve`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline serve registry --port 5000\n  pipeline serve github --port 8080 --repository acme/models --from .\n  pipeline serve modal --port 9000 --environments dev,staging,main\n\nCtrl-C ends it and removes what it kept."
)]
pub(super) struct ServeArgs {
    /// Which one
    #[command(subcommand)]
    pub(super) service: Service,
}

/// The embedded services.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Service {
    /// An OCI registry that the Docker engine pushes to and pulls from
    #[command(
        after_help = "Examples:\n  pipeline serve registry --port 5000\n  pipeline build --registry 127.0.0.1:5000    # in another terminal"
    )]
    Registry {
        /// The port on 127.0.0.1 [default: a free one]
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        port: u16,
    },
    /// A GitHub API over bare git repositories
    #[command(
        after_help = "Examples:\n  pipeline serve github --repository acme/models --from .\n\nIt takes any token, and prints what to set for the other commands."
    )]
    Github {
        /// The port on 127.0.0.1 [default: a free one]
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        port: u16,
        /// The repository to offer
        #[arg(
            long,
            value_name = "OWNER/NAME",
            default_value = "rehearsal/processors"
        )]
        repository: String,
        /// Its content: a git repository on this machine
        #[arg(long, value_name = "DIR", default_value = ".")]
        from: PathBuf,
    },
    /// A Modal control plane for the `modal` command and SDK
    #[command(
        after_help = "Examples:\n  pipeline serve modal --environments dev,main\n  pipeline serve modal --latency 50ms --reply '{\"status\": \"success\"}'\n\nIt takes any token, and prints what to set for `modal` and the other commands."
    )]
    Modal {
        /// The port on 127.0.0.1 [default: a free one]
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        port: u16,
        /// Environments that exist from the start
        #[arg(long, value_delimiter = ',', default_value = "dev,staging,main")]
        environments: Vec<Environment>,
        /// Let each request wait this long, such as `50ms`, as if Modal were far away
        #[arg(long, value_name = "MS", default_value = "0ms", hide_default_value = true, value_parser = milliseconds)]
        latency: Duration,
        /// Answer every call at once with this JSON, instead of in a container
        #[arg(long, value_name = "JSON", value_parser = json_value)]
        reply: Option<serde_json::Value>,
    },
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix("ms").unwrap_or(text);
    match number.parse() {
        Ok(number) => Ok(Duration::from_millis(number)),
        Err(_) => Err("expected milliseconds, such as `50ms`".to_owned()),
    }
}

fn json_value(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
