//! `cargo xtask test`: every check of this repository, one after the other, all of them even
//! when one fails, and a table at the end.

mod checks;
mod leftovers;
mod results;
mod table;

use std::process::ExitCode;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::say;
use crate::setup::{self, Purpose};
use crate::tools::Tools;
use crate::workspace;
use checks::{Check, Scene};
use leftovers::Leftovers;

/// The exit code for checks that failed, as in `docs/architecture.md`.
const FAILED: u8 = 10;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    /// Neither passed nor failed, for a reason outside this repository.
    NotChecked,
}

/// One line of the closing table.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) seconds: f64,
    /// Counts, the reason, or what failed: a line each.
    pub(crate) details: Vec<String>,
}

/// `cargo xtask test`.
///
/// # Errors
/// When the machine cannot be made ready, on interruption, and when a check cannot be run at
/// all; a check that fails is an exit code.
pub(crate) async fn command(
    no_install: bool,
    cancel: &CancellationToken,
) -> Result<ExitCode, Error> {
    let tools = Tools::locate()?;
    let root = workspace::root()?;
    let ready = setup::ensure(&tools, Purpose::Test, no_install, cancel).await?;
    let scene = Scene::new(&root, &tools)?;
    let before = Leftovers::watch(&scene, cancel).await?;

    let mut outcomes = Vec::new();
    for check in Check::ALL {
        say::line(format_args!("{}: {}", check.name(), check.shown()));
        let started = Instant::now();
        let (verdict, details) = checks::run(check, &scene, cancel).await?;
        outcomes.push(report(check.name(), verdict, started, details));
    }
    let started = Instant::now();
    let left = before.compare(&scene, cancel).await?;
    let verdict = if left.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Failed
    };
    outcomes.push(report("leftovers", verdict, started, left));

    say::line("");
    say::data(table::render(&outcomes));
    ready.say_left_running();
    Ok(
        match outcomes.iter().any(|it| it.verdict == Verdict::Failed) {
            true => ExitCode::from(FAILED),
            false => ExitCode::SUCCESS,
        },
    )
}

fn report(name: &'static str, verdict: Verdict, started: Instant, details: Vec<String>) -> Outcome {
    let outcome = Outcome {
        name,
        verdict,
        seconds: started.elapsed().as_secs_f64(),
        details,
    };
    say::line(table::line(&outcome));
    outcome
}
