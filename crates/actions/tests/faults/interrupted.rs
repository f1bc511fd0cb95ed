//! Ctrl-C while pins are proposed.

use axum::http::Method;
use process::Stream;

use super::bench::{Bench, interrupt};
use super::gate::Gate;
use super::project::{self, git};
use super::proposal::{self, assert_one_open, at, bot_branches};
use super::services::{Forge, TOKEN};

/// Interrupts a run that waits at the gate, and says which branches it left.
async fn interrupted_at(bench: &Bench, forge: &Forge, method: Method, path: &'static str) {
    let report = proposal::report(bench, &proposal::plan(bench).await, 1);
    let gate = Gate::before(forge.server.api_url(), method, path).await;
    let (say, mut number) = tokio::sync::mpsc::unbounded_channel();
    let run = bench.pipeline_in_shell(&proposal::words(&report, "7"));
    let running = at(gate.url(), run).go_on(move |stream, line| {
        if stream == Stream::Stdout {
            let _ = say.send(line.to_owned());
        }
    });
    let user = async {
        let pid = number.recv().await.unwrap();
        gate.reached().await;
        interrupt(&pid);
    };
    let (ran, ()) = tokio::join!(running, user);
    let ran = ran.ended(130).says(&["interrupted"]).hides(TOKEN);
    assert!(!ran.stderr.contains("✓ pin"), "{}", ran.stderr);
    assert_eq!(forge.open().await.len(), 0);
}

async fn the_next_run_finishes(bench: &Bench, forge: &Forge) {
    let run = bench.pipeline(&proposal::words(&bench.path("build-1.json"), "8"));
    at(forge.server.api_url(), run).go().await.ok();
    assert_one_open(forge, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_branch_there_is_none() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    interrupted_at(&bench, &forge, Method::POST, "/git/refs").await;
    assert_eq!(bot_branches(&forge).await, [""; 0]);
    the_next_run_finishes(&bench, &forge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_branch_it_tells_what_it_is_from() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    interrupted_at(&bench, &forge, Method::POST, "/pulls").await;
    assert_eq!(bot_branches(&forge).await, ["bot/pin-7"]);
    let format = "--format=%(trailers:key=Pipeline-Source,valueonly)";
    let source = git(&forge.git_dir(), &["log", "-1", format, "bot/pin-7"]).await;
    let head = git(&bench.repo(), &["rev-parse", "HEAD"]).await;
    assert_eq!(source.trim(), head);
    the_next_run_finishes(&bench, &forge).await;
}
