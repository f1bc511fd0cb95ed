use std::path::Path;
use std::time::Duration;

use acceptance::{
    AcceptanceOptions, AcceptanceReport, ContractReport, Part, Sources, StackReport, SuiteReport,
    Verdict,
};
use registry_model::{Entry, Platform};
use tokio_util::sync::CancellationToken;

use super::accept_contract as contract;
use super::args::{AcceptArgs, AcceptPart};
use super::context::Context;
use super::report::{self, Report};
use super::stage::{End, stage};
use crate::config::Config;
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) async fn run(args: &AcceptArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let context = Context::open(&args.repo)?;
    let entries: Vec<Entry> = context.entries()?.into_iter().cloned().collect();
    let images = acceptance::guard(&entries, &Platform::linux_amd64())?;
    let mut options = options(&context.root, &context.config);
    options.only = only(args)?;
    options.cases = (!args.cases.is_empty()).then(|| args.cases.clone());
    let sources = Sources::read(&options)?.with_cases(&entries)?;
    let plan = acceptance::plan(&options, &sources)?;
    let work = async {
        let ended = acceptance::run(&plan, &images, cancel).await;
        if let Err(error) = &ended
            && let Some(report) = error.report()
        {
            contract::tell(&report.contract, to.is_stdout())?;
            to.deliver_failed(report);
        }
        Ok(ended?)
    };
    let report = stage("acceptance", work, |report| match report.verdict {
        Verdict::Passed => End::Done(proven(report)),
        Verdict::NotConfigured => End::NotConfigured(proven(report)),
        Verdict::Failed => End::Failed(proven(report)),
    })
    .await?;
    super::summary::write(|| contract::markdown(&report.contract))?;
    let delivered = to.deliver(&report, || {
        format!(
            "{}contract: {}\nstack: {}\nsuite: {}\n",
            contract::table(&report.contract),
            contract::line(&report.contract),
            stack(&report.stack),
            suite(&report.suite)
        )
    });
    let exit = match report.verdict {
        Verdict::Passed | Verdict::NotConfigured => Exit::Done,
        Verdict::Failed => Exit::Acceptance,
    };
    report::ended(Ok(exit), delivered)
}

/// What is asked for: a case is one of the contract.
fn only(args: &AcceptArgs) -> Result<Option<Part>, Failure> {
    match (args.part, args.cases.is_empty()) {
        (Some(AcceptPart::Suite), false) => {
            let text = "run a case of the contract: `--part suite` leaves it out";
            Err(Failure::new(Exit::Input, text))
        }
        (Some(AcceptPart::Suite), true) => Ok(Some(Part::Suite)),
        (Some(AcceptPart::Contract), _) | (None, false) => Ok(Some(Part::Contract)),
        (None, true) => Ok(None),
    }
}

/// One line about what there was to prove.
fn proven(report: &AcceptanceReport) -> String {
    match (&report.contract, &report.suite) {
        (ContractReport::Ran { .. }, SuiteReport::Ran { .. }) => format!(
            "{}; {}",
            contract::line(&report.contract),
            suite(&report.suite)
        ),
        (ContractReport::Ran { .. }, _) => contract::line(&report.contract),
        _ => suite(&report.suite),
    }
}

/// The acceptance stage as `pipeline.yml` has it.
pub(super) fn options(root: &Path, config: &Config) -> AcceptanceOptions {
    let configured = &config.acceptance;
    let mut options = AcceptanceOptions::new(root);
    options.compose_file = configured.compose_file.clone();
    options.services = configured.services.clone();
    options.directory = configured
        .directory
        .clone()
        .or_else(|| config.context.clone());
    options.command = configured.command.clone();
    options.env = configured.env.clone();
    if let Some(seconds) = configured.timeout_seconds {
        options.timeout = Duration::from_secs(seconds);
    }
    options
}

fn stack(report: &StackReport) -> String {
    match report {
        StackReport::Ran {
            services,
            up_seconds,
            ..
        } => {
            let names: Vec<&str> = services.iter().map(|one| one.name.as_str()).collect();
            format!("{} healthy after {up_seconds:.1} s", names.join(", "))
        }
        StackReport::NotConfigured { add } => format!("not configured: add {add}"),
    }
}

fn suite(report: &SuiteReport) -> String {
    match report {
        SuiteReport::Ran {
            command,
            exit,
            seconds,
            cases,
        } => {
            let ended = match exit {
                Some(0) => "passed".to_owned(),
                Some(code) => format!("failed with exit code {code}"),
                None => "was ended".to_owned(),
            };
            let counted = cases
                .as_ref()
                .map(|cases| format!(", {} tests", cases.tests))
                .unwrap_or_default();
            format!(
                "`{}` {ended} after {seconds:.1} s{counted}",
                command.join(" ")
            )
        }
        SuiteReport::NotConfigured { add } => format!("not configured: add {add}"),
    }
}
