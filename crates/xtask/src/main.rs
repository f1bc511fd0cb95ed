//! The commands of this repository for its own developers: `cargo xtask --help`.
//!
//! `setup` makes a machine ready, `rehearse` runs the whole pipeline on the example repository,
//! `test` runs every check, `bench` measures, `openapi` renews what the tests know of GitHub's
//! API. Set-up is a pure plan (`setup::plan`: facts in, steps out) and a run of that plan; the
//! other commands call it first.

mod bench;
mod cli;
#[cfg(test)]
mod crate_table;
mod error;
mod openapi;
mod rehearse;
mod say;
mod setup;
mod test;
mod tools;
mod version;
mod workspace;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, Task};
use crate::error::Error;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return say::failure(&Error::io("start the async runtime", error)),
    };
    match runtime.block_on(run(cli.task)) {
        Ok(code) => code,
        Err(error) => say::failure(&error),
    }
}

async fn run(task: Task) -> Result<ExitCode, Error> {
    let cancel = CancellationToken::new();
    cancel_on_signals(&cancel)?;
    match task {
        Task::Setup { no_install } => setup::command(no_install, &cancel).await,
        Task::Rehearse { no_install, args } => rehearse::command(no_install, &args, &cancel).await,
        Task::Openapi => openapi::command(&cancel).await,
        Task::Test { no_install } => test::command(no_install, &cancel).await,
        Task::Bench(args) => bench::command(&args, &cancel).await,
    }
}

/// Ctrl-C and SIGTERM cancel the work, so that guards clean up before the program ends.
fn cancel_on_signals(cancel: &CancellationToken) -> Result<(), Error> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut stream = signal(kind).map_err(|error| Error::io("listen for signals", error))?;
        let cancel = cancel.clone();
        tokio::spawn(async move {
            if stream.recv().await.is_some() {
                cancel.cancel();
            }
        });
    }
    Ok(())
}
