//! Makes a machine ready: detect, plan, say, do, verify.
//!
//! [`facts`] looks at the machine, [`plan`] turns what it saw into steps without touching
//! anything, [`perform`] does one step. [`ensure`] goes round until nothing is missing.

mod engine;
mod facts;
mod newer;
mod perform;
mod plan;
mod privilege;
mod probe;
mod python;
mod step;

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use facts::Facts;
use perform::Performer;
use privilege::Privilege;
use step::Step;

pub(crate) use facts::engine_answers;
pub(crate) use plan::Purpose;
pub(crate) use python::{find as find_python, is_complete, make_environment};

use crate::error::Error;
use crate::say;
use crate::tools::Tools;

/// Rounds of detect and plan: apt's lists, what they lead to, and one for a service that only
/// then shows what it lacks. More would mean that a step does not do what it says.
const ROUNDS: u32 = 4;

/// `cargo xtask setup`.
///
/// # Errors
/// As [`ensure`].
pub(crate) async fn command(
    no_install: bool,
    cancel: &CancellationToken,
) -> Result<ExitCode, Error> {
    let tools = Tools::locate()?;
    let ready = ensure(&tools, Purpose::Test, no_install, cancel).await?;
    say::line("set-up: everything is there");
    ready.say_left_running();
    for (name, value) in tools.environment()? {
        let value = value.to_string_lossy().replace('\'', "'\\''");
        say::data(format_args!("export {name}='{value}'"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a set-up leaves behind for the end of the task.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    left_running: Vec<String>,
}

impl Ready {
    /// Names the services that were started and go on.
    pub(crate) fn say_left_running(&self) {
        for service in &self.left_running {
            say::line(format_args!("left running: {service}"));
        }
    }
}

/// Installs what `purpose` needs and this machine lacks.
///
/// # Errors
/// [`Error::Missing`] with what cannot be installed, or with everything missing when
/// `no_install`; the error of a step that fails.
pub(crate) async fn ensure(
    tools: &Tools,
    purpose: Purpose,
    no_install: bool,
    cancel: &CancellationToken,
) -> Result<Ready, Error> {
    let mut performer = Performer::new(tools.clone());
    let done = rounds(&mut performer, tools, purpose, no_install, cancel).await;
    let ready = performer.finish();
    if done.is_err() {
        ready.say_left_running();
    }
    done.map(|()| ready)
}

async fn rounds(
    performer: &mut Performer,
    tools: &Tools,
    purpose: Purpose,
    no_install: bool,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let mut last = Vec::new();
    for round in 0.. {
        let facts = facts::detect(tools, performer.lists_refreshed(), cancel).await?;
        let steps = plan::plan(&facts, purpose);
        if steps.is_empty() {
            break;
        }
        let no_rights = facts.privilege == Privilege::None && steps.iter().any(Step::needs_root);
        let by_hand = no_rights || steps.iter().any(Step::is_by_hand);
        if no_install || by_hand || steps == last || round == ROUNDS {
            return Err(missing(&steps, tools, &facts));
        }
        for step in &steps {
            let line = step.announce(tools, facts.privilege);
            say::line(format_args!("set-up: {line}"));
            performer.perform(step, &facts, cancel).await?;
            if step.changes_the_plan() {
                break;
            }
        }
        last = steps;
    }
    Ok(())
}

fn missing(steps: &[Step], tools: &Tools, facts: &Facts) -> Error {
    let lines = steps.iter();
    Error::Missing {
        missing: lines
            .filter_map(|step| step.missing(tools, facts.privilege))
            .collect(),
    }
}
