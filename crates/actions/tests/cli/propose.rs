use github::MergeMethod;

use super::bench::{Bench, Run, json_file};
use super::project::{self, content, digest, file_of, git};
use super::services::{Forge, TOKEN};

/// A build report as `pipeline build --json` writes it, of images that nobody needs to have.
fn build_report(bench: &Bench) -> String {
    let built: Vec<_> = [("lower", '1'), ("upper", '2')]
        .map(|(name, digit)| {
            serde_json::json!({
                "ref": format!("text/{name}@1"), "file": file_of(name), "pin-platform": null,
                "image": image(name, digit), "key": "0".repeat(64), "decision": "built",
                "why": "first-build", "platforms": ["linux/amd64"], "tags": [], "seconds": 1.5,
            })
        })
        .into();
    let report = serde_json::json!({ "schema": 1, "built": built });
    let path = bench.path("build.json");
    std::fs::write(&path, report.to_string()).unwrap();
    path.display().to_string()
}

fn image(name: &str, digit: char) -> String {
    format!("ghcr.io/acme/models/text-{name}@{}", digest(digit))
}

/// As a workflow has it.
fn on(forge: &Forge, run: Run) -> Run {
    run.env("GITHUB_API_URL", forge.server.api_url())
        .env("GITHUB_REPOSITORY", "acme/models")
        .env("GITHUB_TOKEN", TOKEN)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pull_request_pins_everything_once() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    let before = content(&bench.repo());
    let from = build_report(&bench);
    let propose = |id: &str| {
        let words = format!("pin --from {from} --propose --run-id {id} --json");
        on(&forge, bench.pipeline(&words)).arg(bench.path("pin.json"))
    };

    // Said, not done.
    let branches = forge.branches().await;
    let dry = propose("7").arg("--dry-run").go().await.ok();
    assert!(dry.stdout.contains("text/upper@1"), "{}", dry.stdout);
    assert_eq!(
        (forge.branches().await, forge.open().await.len()),
        (branches, 0)
    );

    let ran = propose("7").go().await.ok().hides(TOKEN);
    assert!(ran.stdout.contains("pull request #1: "), "{}", ran.stdout);
    assert_eq!(
        content(&bench.repo()),
        before,
        "the files here are left alone"
    );
    let open = forge.open().await;
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].head.as_str(), open[0].base.as_str()),
        ("bot/pin-7", "dev")
    );
    let report = json_file(&bench.path("pin.json"));
    assert_eq!(
        (&report["schema"], &report["pull-request"]["number"]),
        (&1.into(), &1.into())
    );
    let changed = git(&forge.git_dir(), &["diff", "--numstat", "dev", "bot/pin-7"]).await;
    let expected = ["lower", "upper"].map(|name| format!("1\t1\t{}", file_of(name)));
    assert_eq!(changed, expected.join("\n"));
    for (name, digit) in [("lower", '1'), ("upper", '2')] {
        let place = format!("bot/pin-7:{}", file_of(name));
        let text = git(&forge.git_dir(), &["show", &place]).await;
        assert_eq!(text, project::entry(name, &image(name, digit)).trim_end());
    }

    // A run that is repeated takes up what its first attempt left.
    let branches = forge.branches().await;
    propose("7").go().await.ok();
    assert_eq!(
        (forge.branches().await, forge.open().await.len()),
        (branches, 1)
    );

    forge
        .repo()
        .merge_pull_request(1, MergeMethod::Merge, &open[0].head_sha)
        .await
        .unwrap();
    git(
        &bench.repo(),
        &["pull", "--quiet", &forge.git_dir().to_string_lossy(), "dev"],
    )
    .await;
    let merged = content(&bench.repo());
    let branches = forge.branches().await;
    let ran = propose("8").go().await.ok();
    assert_eq!(ran.stdout, "every pin is as it should be\n");
    assert_eq!(
        (forge.branches().await, forge.open().await.len()),
        (branches, 0)
    );
    bench
        .pipeline(&format!("pin --from {from}"))
        .go()
        .await
        .ok();
    assert_eq!(content(&bench.repo()), merged);
}

#[tokio::test]
async fn only_what_is_asked_for_is_pinned() {
    let bench = Bench::new();
    project::runbook(&bench);
    let from = build_report(&bench);
    let lower = bench.read(&file_of("lower"));
    let words = format!("pin --from {from} --processors text/upper --json -");
    let report = bench.pipeline(&words).go().await.ok().json();
    assert_eq!(
        report["changes"]["changes"].as_array().unwrap().len(),
        1,
        "{report}"
    );
    assert_eq!(
        bench.read(&file_of("upper")),
        project::entry("upper", &image("upper", '2'))
    );
    assert_eq!(bench.read(&file_of("lower")), lower);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_told_and_not_shown() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    let words = format!("pin --from {} --propose --run-id 7", build_report(&bench));
    for (token, said) in [("ghs_wrong_token_1234", "Bad credentials"), ("", "token")] {
        let run = on(&forge, bench.pipeline(&words)).env("GITHUB_TOKEN", token);
        let ran = run.go().await.ended(12).one_error();
        ran.says(&[said, "hint: "]).hides("ghs_wrong_token_1234");
    }
    assert_eq!(forge.open().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_asked_for() {
    let bench = Bench::new();
    project::runbook(&bench);
    let from = build_report(&bench);
    let words = format!("pin --from {from} --propose");
    let ran = bench.pipeline(&words).go().await.ended(2).one_error();
    ran.says(&["run id", "--run-id"]);
    let words = format!("{words} --run-id 7");
    let ran = bench.pipeline(&words).go().await.ended(2).one_error();
    ran.says(&["GITHUB_REPOSITORY"]);
    let run = bench.pipeline(&words).env("GITHUB_REPOSITORY", "acme");
    run.go().await.ended(2).one_error().says(&["`acme`"]);

    bench.write("not.json", "{\"schema\": 2, \"built\": []}");
    let ran = bench.pipeline("pin --from not.json").go().await.ended(2);
    ran.one_error().says(&["not.json", "schema 2"]);
    let ran = bench.pipeline("pin --from missing.json").go().await;
    ran.ended(2).one_error().says(&["missing.json"]);
}
