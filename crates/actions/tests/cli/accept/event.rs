//! Pull requests are proven when somebody asks for it.

use crate::bench::{Bench, Run, json_file};
use crate::project::{self, digest, entry, file_of};

fn pinned() -> Bench {
    let bench = Bench::new();
    project::runbook(&bench);
    for name in ["upper", "lower"] {
        let image = format!("ghcr.io/acme/models/text-{name}@{}", digest('1'));
        bench.write(&file_of(name), entry(name, &image));
    }
    bench
}

/// `pipeline accept` in a workflow for a pull request.
fn requested(bench: &Bench, event: &str) -> Run {
    let file = bench.path("event.json");
    std::fs::write(&file, event).unwrap();
    let run = bench
        .pipeline("accept --json")
        .arg(bench.path("acceptance.json"));
    let run = run.env("GITHUB_ACTIONS", "true");
    let run = run.env("GITHUB_EVENT_NAME", "pull_request");
    run.env("GITHUB_EVENT_PATH", file)
}

fn labelled(names: &[&str]) -> String {
    let labels = names
        .iter()
        .map(|name| serde_json::json!({"id": 1, "name": name}));
    let labels: Vec<_> = labels.collect();
    serde_json::json!({"action": "synchronize", "pull_request": {"number": 1, "labels": labels}})
        .to_string()
}

#[tokio::test]
async fn a_pull_request_is_proven_only_with_its_label() {
    let bench = pinned();
    for event in [labelled(&[]), labelled(&["bug", "run acceptance"])] {
        let ran = requested(&bench, &event).go().await.ok();
        let told = "skipped: the pull request lacks the label `run-acceptance`; add it";
        assert!(ran.stdout.starts_with(told), "{ran:?}");
        ran.says(&[
            "– acceptance ",
            &format!("::notice title=Acceptance::{told}"),
        ]);
        let report = json_file(&bench.path("acceptance.json"));
        assert_eq!(report["verdict"], "skipped");
    }
    // Not even what is wrong with the files: that is another check's.
    bench.write(&file_of("upper"), "ref: [");
    requested(&bench, &labelled(&[])).go().await.ok();
    let ran = requested(&bench, &labelled(&["bug", "Run-Acceptance"])).go();
    ran.await.ended(2).one_error();
}

#[tokio::test]
async fn the_label_can_have_another_name() {
    let bench = pinned();
    bench.write("pipeline.yml", "acceptance: {label: prove me}\n");
    let ran = requested(&bench, &labelled(&["run-acceptance"]))
        .go()
        .await
        .ok();
    assert!(ran.stdout.contains("the label `prove me`"), "{ran:?}");
    let ran = requested(&bench, &labelled(&["prove me"])).go().await.ok();
    assert!(ran.stdout.contains("suite: not configured: "), "{ran:?}");
}

#[tokio::test]
async fn everything_else_is_proven() {
    let bench = pinned();
    for event in ["push", "workflow_dispatch", "pull_request_review", ""] {
        let run = requested(&bench, "{").env("GITHUB_EVENT_NAME", event);
        let ran = run.go().await.ok();
        assert!(ran.stdout.contains("suite: not configured: "), "{ran:?}");
    }
}

#[tokio::test]
async fn an_event_that_makes_no_sense_proves_nothing() {
    let bench = pinned();
    let deep = "[".repeat(100_000);
    let nested = format!("{{\"pull_request\": {deep}");
    for event in [
        "",
        "{}",
        "{\"pull_request\": {\"labels\": \"run-acceptance\"}}",
        &nested,
    ] {
        let ran = requested(&bench, event).go().await.ended(2).one_error();
        ran.says(&["read the labels of the pull request", "event.json"]);
    }
    let endless = requested(&bench, "").env("GITHUB_EVENT_PATH", "/dev/zero");
    endless.go().await.ended(2).says(&["more than 32 MiB"]);
    let nowhere = requested(&bench, "").env("GITHUB_EVENT_PATH", bench.path("none"));
    nowhere.go().await.ended(2).says(&["read the labels"]);
}
