//! Ctrl-C in every stage, and a terminal that is closed.

use std::time::Duration;

use process::Command;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::run::{Rehearsal, copy_of_example, snapshot};

/// Sends `signal` to the rehearsal a moment after a stage has ended, that is, within the next one.
/// Before the first stage has ended there is `""`.
async fn interrupt_after(signal: &'static str, stage: &'static str, moment: Duration) {
    let (_turn, engine) = Engine::mine().await;
    let repo = copy_of_example().await;
    let before = snapshot(repo.path());
    let (send, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let at_once = send.clone();
    let rehearsal = Rehearsal::of(repo.path()).on_line(move |line| {
        if line.starts_with(&format!("✓ {stage} ")) {
            let _ = send.send(());
        }
    });
    if stage.is_empty() {
        at_once.send(()).unwrap();
    }
    drop(at_once);
    let pid = rehearsal.pid_file();
    let interrupter = tokio::spawn(async move {
        seen.recv().await.expect("the stage ends");
        tokio::time::sleep(moment).await;
        let script = format!("kill -{signal} \"$(cat '{}')\"", pid.display());
        let kill = Command::new("sh").args(["-c", &script]);
        kill.run(&CancellationToken::new()).await.unwrap();
    });
    let ended = rehearsal.run(&CancellationToken::new()).await;
    interrupter.await.unwrap();
    assert_eq!(ended.code, 130, "{stage}: {}", ended.stderr);
    assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("✓ proof"), "{}", ended.stderr);
    engine.assert_as_before().await;
    assert!(
        snapshot(repo.path()) == before,
        "the repository was touched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_preparing() {
    interrupt_after("INT", "", Duration::from_millis(1000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_building() {
    interrupt_after("INT", "plan", Duration::from_millis(200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_stack_comes_up() {
    interrupt_after("INT", "pin", Duration::from_millis(1500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_deploying_and_the_terminal_is_closed() {
    interrupt_after("HUP", "accept", Duration::from_millis(700)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_promoting() {
    interrupt_after("INT", "deploy dev", Duration::from_millis(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_smoking_and_told_to_terminate() {
    interrupt_after("TERM", "promote staging", Duration::from_millis(2500)).await;
}
