//! `pipeline promote` against the embedded GitHub, registry and Modal.

mod modal;
mod parity;
mod rules;
mod some;
mod unseen;

use receipts::statement::Outcome;
use registry_model::PinnedImage;
use serde_json::Value;

use super::bench::{Bench, Run, json_file};
use super::project::{self, content, digest, entry, file_of, git};
use super::receipts::{Proofs, accepted, deployed};
use super::services::{Forge, TOKEN};

/// No receipts are asked for.
const OPEN: &str = "promotion: {require: []}\n";

/// A clone of `acme/models`, whose branches `dev` and `staging` pin the same images of an embedded
/// registry.
struct World {
    bench: Bench,
    forge: Forge,
    proofs: Proofs,
}

impl World {
    async fn new(config: &str) -> Self {
        let (bench, proofs) = (Bench::new(), Proofs::start().await);
        project::runbook(&bench);
        for name in ["upper", "lower"] {
            let image = proofs.image(name, "one").await;
            bench.write(&file_of(name), entry(name, &image.to_string()));
        }
        if !config.is_empty() {
            bench.write("pipeline.yml", config);
        }
        let forge = Forge::start(&bench).await;
        let origin = forge.git_dir().display().to_string();
        git(&bench.repo(), &["remote", "add", "origin", &origin]).await;
        git(&bench.repo(), &["push", "--quiet", "origin", "dev:staging"]).await;
        Self {
            bench,
            forge,
            proofs,
        }
    }

    /// Pins another image on a branch, as its pin request does; the same for the same `mark`.
    async fn pin(&self, branch: &str, name: &str, mark: &str) -> PinnedImage {
        let image = self.proofs.image(name, mark).await;
        self.commit(branch, &file_of(name), &entry(name, &image.to_string()))
            .await;
        image
    }

    async fn commit(&self, branch: &str, file: &str, text: &str) {
        let repo = self.bench.repo();
        git(&repo, &["fetch", "--quiet", "origin"]).await;
        let place = format!("origin/{branch}");
        git(&repo, &["checkout", "--quiet", "-B", "work", &place]).await;
        self.bench.write(file, text);
        git(&repo, &["add", "--all"]).await;
        git(&repo, &["commit", "--quiet", "--message", "change"]).await;
        let target = format!("HEAD:refs/heads/{branch}");
        git(&repo, &["push", "--quiet", "origin", &target]).await;
    }

    /// What the usual rules ask for on the way from `dev`.
    async fn prove(&self, image: &PinnedImage) {
        for receipt in [accepted(image, Outcome::Passed), deployed(image, "dev")] {
            self.proofs.add(image, &receipt, None).await;
        }
    }

    fn promote(&self, words: &str) -> Run {
        let report = self.bench.path("promote.json");
        self.bench
            .pipeline("promote --github acme/models --from dev --to staging --json")
            .arg(report)
            .words(words)
            .env("GITHUB_API_URL", self.forge.server.api_url())
            .env("GITHUB_TOKEN", TOKEN)
    }

    fn report(&self) -> Value {
        json_file(&self.bench.path("promote.json"))
    }

    /// The file of a processor on a branch.
    async fn file(&self, branch: &str, name: &str) -> String {
        let place = format!("{branch}:{}", file_of(name));
        git(&self.forge.git_dir(), &["show", &place]).await
    }

    /// Nothing is on GitHub but the two branches.
    async fn is_untouched(&self) {
        let branches = self.forge.branches().await;
        assert_eq!(branches.lines().count(), 2, "{branches}");
        assert_eq!(self.forge.open().await.len(), 0);
    }

    async fn stop(self) {
        self.proofs.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_move_once_and_as_they_are() {
    let world = World::new(OPEN).await;
    world.pin("dev", "upper", "two").await;
    world.pin("dev", "lower", "two").await;
    // What is not committed is nobody's business.
    world.bench.write("code/draft", "mine");
    let repo = world.bench.repo();
    let before = (content(&repo), git(&repo, &["status", "--short"]).await);

    let dry = world.promote("--dry-run").go().await.ok();
    assert!(dry.stdout.contains("text/upper@1  "), "{}", dry.stdout);
    assert!(dry.stdout.contains(" → "), "{}", dry.stdout);
    let report = world.report();
    assert_eq!(
        (&report["schema"], &report["pull-request"]),
        (&1.into(), &Value::Null)
    );
    world.is_untouched().await;

    // A request first, which is the same when it is run again, and then the merge of it.
    for _ in 0..2 {
        let ran = world.promote("").go().await.ok().hides(TOKEN);
        assert!(
            ran.stdout.contains("pull request #1: http"),
            "{}",
            ran.stdout
        );
        assert_eq!(world.report()["merged"], Value::Null);
    }
    let output = world.bench.path("output");
    let run = world.promote("--merge").env("GITHUB_OUTPUT", &output);
    let ran = run.go().await.ok().hides(TOKEN);
    let output = std::fs::read_to_string(output).unwrap();
    for name in [
        "pull-request-number",
        "pull-request-url",
        "merged",
        "report",
    ] {
        assert!(output.contains(&format!("{name}<<")), "{output}");
    }
    assert!(
        ran.stdout.contains("pull request #1 merged as "),
        "{}",
        ran.stdout
    );
    let merged = world.report();
    assert_eq!(
        (&merged["schema"], &merged["pull-request"]["number"]),
        (&1.into(), &1.into())
    );
    assert!(merged["ended-at"].is_string(), "{merged}");
    let staging = world.forge.git_dir();
    assert_eq!(git(&staging, &["diff", "dev", "staging"]).await, "");
    let after = (content(&repo), git(&repo, &["status", "--short"]).await);
    assert_eq!(after, before);
    world.is_untouched().await;

    let ran = world.promote("--merge").go().await.ok();
    assert!(ran.stdout.contains("nothing to promote"), "{}", ran.stdout);
    world.is_untouched().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_or_is_not_there_is_told() {
    let world = World::new(OPEN).await;
    let image = format!("sha256:pending # not {}", digest('1'));
    world
        .commit("dev", &file_of("upper"), &entry("upper", &image))
        .await;
    let run = |words: &str| {
        let run = world.bench.pipeline("promote --github acme/models");
        run.words(words)
            .env("GITHUB_API_URL", world.forge.server.api_url())
            .env("GITHUB_TOKEN", TOKEN)
    };
    let ran = run("--from dev --to staging")
        .go()
        .await
        .ended(16)
        .one_error();
    ran.says(&[
        "text/upper@1: not pinned in dev yet",
        "hint: merge the open pin",
    ]);
    let ran = run("--from dev --to dev").go().await.ended(2).one_error();
    ran.says(&["its own target"]);
    let ran = run("--from staging --to main")
        .go()
        .await
        .ended(2)
        .one_error();
    ran.says(&["branch `main`", "hint: "]);
    let ran = run("--from dev --to staging --processors text/nobody@1")
        .go()
        .await;
    ran.ended(2).one_error().says(&["text/nobody@1"]);
    let ran = run("--from dev --to staging --release-hold text/nobody@1")
        .go()
        .await;
    ran.ended(2).one_error().says(&["text/nobody@1", "hint: "]);
    let run_wrong = run("--from dev --to staging").env("GITHUB_TOKEN", "ghs_wrong_1");
    let ran = run_wrong.go().await.ended(12).one_error();
    ran.says(&["Bad credentials", "hint: "])
        .hides("ghs_wrong_1");
    let repo = world.bench.repo();
    git(&repo, &["remote", "set-url", "origin", "/nonexistent"]).await;
    let ran = run("--from dev --to staging")
        .go()
        .await
        .ended(2)
        .one_error();
    ran.says(&["/nonexistent", "hint: "]);
    world.is_untouched().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_merged_is_in_the_report_whatever_comes_after_it() {
    let world = World::new(OPEN).await;
    let upper = world.pin("dev", "upper", "two").await;
    // Each is right by itself, and both together are not.
    let dockerfile = project::dockerfile_of("title");
    let text = entry("title", "sha256:pending") + "enabled: false\n";
    for (branch, name) in [("dev", "title"), ("staging", "other")] {
        world.commit(branch, &dockerfile, "FROM scratch\n").await;
        world.commit(branch, &file_of(name), &text).await;
    }
    let output = world.bench.path("output");
    let run = world.promote("--merge").env("GITHUB_OUTPUT", &output);
    let ran = run.go().await.ended(2).one_error().hides(TOKEN);
    ran.says(&["text/title@1"]);
    let report = world.report();
    let merged = report["merged"].as_str().unwrap();
    assert_eq!(report["moves"][0]["ref"], "text/upper@1");
    let notices = report["notices"].to_string();
    assert!(
        notices.contains("it is merged, and what comes after failed to"),
        "{notices}"
    );
    let output = std::fs::read_to_string(output).unwrap();
    assert!(output.contains(merged), "{output}");
    assert!(
        world
            .file("staging", "upper")
            .await
            .contains(&upper.to_string())
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_loses_is_told() {
    let world = World::new(OPEN).await;
    world.pin("dev", "upper", "two").await;
    let lower = world.file("dev", "lower").await;
    let disabled = format!("{lower}\nenabled: false\n");
    world.commit("dev", &file_of("lower"), &disabled).await;
    let ran = world.promote("").go().await.ok();
    for text in [
        "is disabled by this",
        "note: text/lower@1 is disabled by this: dev has",
    ] {
        assert!(ran.stdout.contains(text), "{}", ran.stdout);
    }
    let shown = world.forge.repo().pull_request(1).await.unwrap();
    let told = "`text/lower@1` is disabled by this.";
    assert!(shown.body.contains(told), "{}", shown.body);
    // By name nothing is lost.
    let words = "--processors text/upper@1 --dry-run";
    let ran = world.promote(words).go().await.ok();
    assert!(!ran.stdout.contains("by this"), "{}", ran.stdout);
    world.stop().await;
}
