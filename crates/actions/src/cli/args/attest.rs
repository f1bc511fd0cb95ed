use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::FalseyValueParser;
use registry_model::{Environment, Repository};

use super::JsonArg;
use crate::config::Age;

/// `pipeline attest`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline attest --from build=build.json --key cosign.key\n  pipeline attest --from accept=acceptance.json --expires 90d\n  pipeline attest --from deploy=deploy.json --env dev --json attest.json\n  pipeline attest --from accept=reports/ --dry-run          # what would be stored\n\nWithout --key, the private key is the text of SIGNING_KEY; without both, receipts are not signed.\nCOSIGN_PASSWORD opens a key that cosign made. Run it in a job of its own, at the commit that the\nstage ran at: with a key, no code of the repository should run beside it."
)]
pub(in crate::cli) struct AttestArgs {
    /// A report, or a folder of them, and of which command: `build`, `accept`, `deploy` or `promote`; a
    /// report of another is refused. May be given again
    #[arg(long, value_name = "KIND=FILE", required = true, num_args = 1..)]
    pub(in crate::cli) from: Vec<ReportsFrom>,
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

/// The command that wrote a report. Whoever starts `attest` knows, and a report is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum ReportKind {
    Build,
    Accept,
    Deploy,
    Promote,
}

/// Where reports of one command are: `KIND=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct ReportsFrom {
    pub(in crate::cli) kind: ReportKind,
    /// A file, or a folder of them.
    pub(in crate::cli) path: PathBuf,
}

impl ReportKind {
    pub(in crate::cli) const ALL: [Self; 4] =
        [Self::Build, Self::Accept, Self::Deploy, Self::Promote];

    pub(in crate::cli) fn command(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Accept => "accept",
            Self::Deploy => "deploy",
            Self::Promote => "promote",
        }
    }
}

impl FromStr for ReportsFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let given = text.split_once('=').filter(|(_, path)| !path.is_empty());
        let kind = |name: &str| ReportKind::ALL.into_iter().find(|it| it.command() == name);
        let known = given.and_then(|(name, path)| Some((kind(name)?, path)));
        let (kind, path) = known.ok_or_else(|| {
            let commands = ReportKind::ALL.map(|kind| format!("`{}`", kind.command()));
            format!("expected `KIND=FILE`, KIND one of {}", commands.join(", "))
        })?;
        Ok(Self {
            kind,
            path: path.into(),
        })
    }
}
