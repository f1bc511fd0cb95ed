//! Ctrl-C in every stage.

use std::time::Duration;

use process::Command;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::run::{Rehearsal, copy_of_example, snapshot};

/// Interrupts the rehearsal a moment after a stage has ended, that is, within the next one.
async fn interrupt_after(stage: &'static str, moment: Duration) {
    let (_turn, engine) = Engine::mine().await;
    let repo = copy_of_example().await;
    let before = snapshot(repo.path());
    let (send, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let rehearsal = Rehearsal::of(repo.path()).on_line(move |line| {
        if line.starts_with(&format!("✓ {stage} ")) {
            let _ = send.send(());
        }
    });
    let marker = rehearsal.folder().to_string_lossy().into_owned();
    let interrupter = tokio::spawn(async move {
        seen.recv().await.expect("the stage ends");
        tokio::time::sleep(moment).await;
        // As a terminal does it: to the process, not to our test.
        let script = format!("pkill -INT -f -- '^[^ ]*pipeline rehearse --json {marker}'");
        Command::new("sh")
            .args(["-c", &script])
            .run(&CancellationToken::new())
            .await
            .unwrap();
    });
    let ended = rehearsal.run(&CancellationToken::new()).await;
    interrupter.await.unwrap();
    assert_eq!(ended.code, 130, "{stage}: {}", ended.stderr);
    assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);
    engine.assert_as_before().await;
    assert!(
        snapshot(repo.path()) == before,
        "the repository was touched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_building() {
    interrupt_after("plan", Duration::from_millis(200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_stack_comes_up() {
    interrupt_after("pin", Duration::from_millis(1500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_deploying() {
    interrupt_after("accept", Duration::from_millis(700)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_smoking() {
    interrupt_after("promote staging", Duration::from_millis(2500)).await;
}
