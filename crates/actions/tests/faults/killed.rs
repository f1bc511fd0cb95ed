//! `kill -9`: nothing is cleaned up, and the next run takes up what is there.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use process::{Command, ProcessError, Stream};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, Run, json_file, send};
use super::gate::Gate;
use super::project;
use super::proposal::{self, assert_one_open, at, bot_branches};
use super::services::{Forge, forget, with_registry};

/// Standard output is a pipe that is full, so that the program waits when it is done with its work
/// and wants to say so.
const MUTE: &str = r#"
    set -e
    mkfifo "$0"
    exec 3<>"$0"
    dd if=/dev/zero of="$0" bs=4096 oflag=nonblock 2>/dev/null || true
    echo $$
    exec "$@" >&3
"#;

/// Runs a program that says its number first, and kills it when `sign` appears or `moment` comes.
async fn kill(run: Run, sign: &'static str, moment: impl Future<Output = ()>) {
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let pid = Arc::new(Mutex::new(String::new()));
    let number = Arc::clone(&pid);
    let command = run.command.on_line(move |stream, line| match stream {
        Stream::Stdout if number.lock().unwrap().is_empty() => {
            line.clone_into(&mut number.lock().unwrap());
        }
        Stream::Stderr if !sign.is_empty() && line.contains(sign) => {
            let _ = said.send(());
        }
        _ => {}
    });
    let cancel = CancellationToken::new();
    let running = command.run(&cancel);
    let killer = async {
        tokio::select! {
            Some(()) = heard.recv() => {}
            () = moment => {}
        }
        send(&pid.lock().unwrap(), Signal::KILL);
        // The end of the program is what counts.
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = running => ended,
        () = killer => unreachable!("it waits for ever"),
    };
    match ended {
        Err(ProcessError::Failed { code: None, .. }) => {}
        other => panic!("not killed: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_push_nothing_is_built_again() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let report = bench.path("build.json");
        let words = format!(
            "build --registry {host} --image-prefix ghcr.io/acme/models --json {}",
            report.display()
        );
        let mute = Command::new("sh")
            .args(["-c", MUTE])
            .arg(bench.path("mute"));
        let mute = mute.arg(env!("CARGO_BIN_EXE_pipeline"));
        let run = bench.prepared(mute).words(&words);
        kill(run, "✓ build ", std::future::pending()).await;
        assert!(!report.exists(), "it was killed before it told anybody");

        bench.pipeline(&words).go().await.ok();
        reused_and_pinned(&bench, &report).await;
    })
    .await;
}

/// Everything in the report was there before, and goes into the pins.
async fn reused_and_pinned(bench: &Bench, report: &Path) {
    let built = json_file(report)["built"].as_array().unwrap().clone();
    assert_eq!(built.len(), 2);
    for one in &built {
        assert_eq!(one["decision"], "reused", "{one}");
    }
    let pin = format!("pin --from {}", report.display());
    bench.pipeline(&pin).go().await.ok();
    for (name, one) in ["lower", "upper"].iter().zip(&built) {
        let text = bench.read(&project::file_of(name));
        assert!(text.contains(one["image"].as_str().unwrap()), "{text}");
    }
}

/// The builder has pushed, and the tag by which later plans find an image is not there yet.
#[tokio::test(flavor = "multi_thread")]
async fn between_the_push_and_the_tag_of_the_key_nothing_is_built_again() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let report = bench.path("build.json");
        let words = |host: &str| {
            format!(
                "build --registry {host} --image-prefix ghcr.io/acme/models --json {}",
                report.display()
            )
        };
        let tagging = "/manifests/inputs-";
        let gate = Gate::before(format!("http://{host}"), Method::PUT, tagging).await;
        let through = gate.url().replace("http://", "");
        let run = bench.pipeline_in_shell(&words(&through));
        kill(run, "", gate.reached()).await;
        forget(&through).await;
        assert!(!report.exists(), "it was killed before it told anybody");

        // There is nothing to build with, either.
        let run = bench.pipeline(&words(host));
        let run = run.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        run.go()
            .await
            .ok()
            .says(&["2 of 2 to build", "0 built, 2 reused"]);
        reused_and_pinned(&bench, &report).await;
        // From now on it is found as any other.
        bench.pipeline(&words(host)).go().await.ok();
        for one in json_file(&report)["built"].as_array().unwrap() {
            assert_eq!(one["why"], "same-inputs", "{one}");
        }
    })
    .await;
}

/// Kills a run between its commit and its pull request, and lets another one finish.
async fn between_branch_and_request(next: &str) {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    let report = proposal::report(&bench, &proposal::plan(&bench).await, 1);

    let gate = Gate::before(forge.server.api_url(), Method::POST, "/pulls").await;
    let run = bench.pipeline_in_shell(&proposal::words(&report, "7"));
    kill(at(gate.url(), run), "", gate.reached()).await;
    assert_eq!(bot_branches(&forge).await, ["bot/pin-7"]);
    assert_eq!(forge.open().await.len(), 0);

    for _ in 0..2 {
        let run = bench.pipeline(&proposal::words(&report, next));
        at(forge.server.api_url(), run).go().await.ok();
        assert_one_open(&forge, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn between_branch_and_request_and_the_run_is_repeated() {
    between_branch_and_request("7").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_branch_and_request_and_another_run_follows() {
    between_branch_and_request("8").await;
}
