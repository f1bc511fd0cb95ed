//! The `pipeline` command: arguments, one file a stage, and how results are shown.

mod accept;
mod accept_contract;
mod args;
mod attest;
mod audit;
mod board;
mod build;
mod commit;
mod context;
mod deploy;
mod digests;
mod doctor;
mod doctor_modal;
mod failures;
mod gather;
mod history;
mod matrix;
mod modal;
mod output;
mod pin;
mod plan;
mod promote;
mod receipts;
mod rehearse;
mod report;
mod rollback;
mod secrets;
mod serve;
mod stage;
mod status;
mod summary;
mod trail;
mod tree;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;

use args::Cli;
use args::Command;

use crate::exit::Exit;
use crate::runner::{Annotation, Level};
use crate::ui::{Failure, Progress, Style};

/// Reads the arguments, runs the command, shows how it ended, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let in_workflow = std::env::var_os("GITHUB_ACTIONS").is_some();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error, in_workflow).into(),
    };
    let progress = Progress::new(Style::choose(cli.verbose), in_workflow);
    let layers = tracing_subscriber::registry().with(progress);
    let shown = tracing::subscriber::set_global_default(layers);
    let ended = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) if shown.is_ok() => runtime.block_on(run(cli)),
        Ok(_) => Err(Failure::new(
            Exit::Unexpected,
            "show progress: something else does already",
        )),
        Err(error) => Err(Failure::new(Exit::Unexpected, error)),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.show(in_workflow);
            failure.exit.into()
        }
    }
}

/// What clap has to say: bad usage, or `--help` and `--version`, which go to standard output.
fn explain(error: &clap::Error, in_workflow: bool) -> Exit {
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done;
    }
    if in_workflow {
        let text = error.to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let annotation = Annotation {
            level: Level::Error,
            place: None,
            title: None,
            message: first.strip_prefix("error: ").unwrap_or(first).to_owned(),
        };
        let _ = writeln!(std::io::stderr(), "{annotation}");
    }
    Exit::Input
}

async fn run(cli: Cli) -> Result<Exit, Failure> {
    let cancel = CancellationToken::new();
    tokio::spawn(cancel_on_signal(cancel.clone()));
    let ended = match cli.command {
        Command::Plan(args) => plan::run(&args, &cancel).await,
        Command::Build(args) => build::run(&args, &cancel).await,
        Command::Pin(args) => pin::run(&args, &cancel).await,
        Command::Doctor(args) => doctor::run(&args, &cancel).await,
        Command::Digests(args) => digests::run(&args, &cancel).await,
        Command::Accept(args) => accept::run(&args, &cancel).await,
        Command::Attest(args) => attest::run(&args, &cancel).await,
        Command::Receipts(args) => receipts::run(&args, &cancel).await,
        Command::Secrets(args) => secrets::run(&args, &cancel).await,
        Command::Deploy(args) => deploy::run(&args, &cancel).await,
        Command::Audit(args) => audit::run(&args, &cancel).await,
        Command::Status(args) => Box::pin(status::run(&args, &cancel)).await,
        Command::Board(args) => Box::pin(board::run(&args, &cancel)).await,
        Command::Rollback(args) => Box::pin(rollback::run(&args, &cancel)).await,
        Command::Promote(args) => promote::run(&args, &cancel).await,
        Command::Rehearse(args) => rehearse::run(&args, &cancel).await,
        Command::Serve(args) => serve::run(&args, &cancel).await,
    };
    ended.map_err(|failure| failures::after(failure, &cancel))
}

/// Cancels on the first Ctrl-C, SIGTERM or SIGHUP. Everything listens to the token and cleans up.
async fn cancel_on_signal(cancel: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    // Asked before the handler takes its place: `nohup` means to go on.
    let hangups_are_ignored = hangups_are_ignored();
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        // The terminal was closed, or the connection to it was lost.
        _ = hangup.recv(), if !hangups_are_ignored => {}
    }
    cancel.cancel();
}

/// Whether this process was started to outlive its terminal, as `nohup` does. Source: proc(5),
/// `SigIgn` of `/proc/pid/status`, whose lowest bit is signal 1.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
