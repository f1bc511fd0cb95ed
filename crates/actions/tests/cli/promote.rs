use super::bench::{Bench, Run, json_file};
use super::project::{self, content, digest, entry, file_of, git};
use super::services::{Forge, TOKEN};

/// A clone of `acme/models`, which has the branches `dev` and `staging`.
async fn clone(bench: &Bench) -> Forge {
    project::runbook(bench);
    let forge = Forge::start(bench).await;
    let origin = forge.git_dir().display().to_string();
    git(&bench.repo(), &["remote", "add", "origin", &origin]).await;
    git(&bench.repo(), &["push", "--quiet", "origin", "dev:staging"]).await;
    forge
}

fn promote(bench: &Bench, forge: &Forge, words: &str) -> Run {
    bench
        .pipeline(&format!("promote --github acme/models {words}"))
        .env("GITHUB_API_URL", forge.server.api_url())
        .env("GITHUB_TOKEN", TOKEN)
}

async fn pin_on_dev(bench: &Bench) {
    for (name, digit) in [("upper", '1'), ("lower", '2')] {
        let image = format!("ghcr.io/acme/models/text-{name}@{}", digest(digit));
        bench.write(&file_of(name), entry(name, &image));
    }
    git(&bench.repo(), &["commit", "--quiet", "--all", "-m", "pin"]).await;
    git(&bench.repo(), &["push", "--quiet", "origin", "dev"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_move_once_and_as_they_are() {
    let bench = Bench::new();
    let forge = clone(&bench).await;
    pin_on_dev(&bench).await;
    // What is not committed is nobody's business.
    bench.write("code/draft", "mine");
    let before = (
        content(&bench.repo()),
        git(&bench.repo(), &["status", "--short"]).await,
    );
    let branches = forge.branches().await;

    let words = "--from dev --to staging --json";
    let report = bench.path("promote.json");
    let dry = promote(&bench, &forge, words).arg(&report).arg("--dry-run");
    let dry = dry.go().await.ok();
    assert!(
        dry.stdout.contains("text/upper@1  new 1111"),
        "{}",
        dry.stdout
    );
    assert_eq!(
        (forge.branches().await, forge.open().await.len()),
        (branches, 0)
    );

    let ran = promote(&bench, &forge, words).arg(&report).go().await.ok();
    let ran = ran.hides(TOKEN);
    assert!(
        ran.stdout.contains("pull request #1 merged as "),
        "{}",
        ran.stdout
    );
    let merged = json_file(&report);
    assert_eq!(merged["schema"], 1);
    assert_eq!(merged["pull-request"]["number"], 1);
    let staging = forge.git_dir();
    assert_eq!(git(&staging, &["diff", "dev", "staging"]).await, "");
    let after = (
        content(&bench.repo()),
        git(&bench.repo(), &["status", "--short"]).await,
    );
    assert_eq!(after, before);

    let branches = forge.branches().await;
    let ran = promote(&bench, &forge, words).arg(&report).go().await.ok();
    assert!(ran.stdout.contains("nothing to promote"), "{}", ran.stdout);
    assert_eq!(forge.branches().await, branches);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_not_promoted() {
    let bench = Bench::new();
    let forge = clone(&bench).await;
    let branches = forge.branches().await;
    let run = |words: &str| promote(&bench, &forge, words).go();

    let ran = run("--from dev --to staging").await.ended(16).one_error();
    ran.says(&["text/upper@1", "text/lower@1", "hint: merge the open pin"]);
    let ran = run("--from dev --to dev").await.ended(2).one_error();
    ran.says(&["its own target"]);
    let ran = run("--from staging --to main").await.ended(2).one_error();
    ran.says(&["branch `main`", "hint: "]);
    git(
        &bench.repo(),
        &["remote", "set-url", "origin", "/nonexistent"],
    )
    .await;
    let ran = run("--from dev --to staging").await.ended(2).one_error();
    ran.says(&["/nonexistent", "hint: "]);
    let run = promote(&bench, &forge, "--from dev --to staging").env("GITHUB_TOKEN", "ghs_wrong_1");
    let ran = run.go().await.ended(12).one_error();
    ran.says(&["Bad credentials", "hint: "])
        .hides("ghs_wrong_1");
    assert_eq!(
        (forge.branches().await, forge.open().await.len()),
        (branches, 0)
    );
}
