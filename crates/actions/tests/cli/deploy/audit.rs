//! `pipeline audit`, with the real `modal` program, git and the embedded GitHub.

use super::super::bench::Run;
use super::super::project::git;
use super::super::services::{Forge, TOKEN};
use super::{World, discreet};

const FILE: &str = "code/apps/core/registry/processors/text_summarize.yaml";

impl World {
    pub(super) fn audit(&self, words: &str) -> Run {
        self.prepared(self.bench.pipeline("audit --json"), words)
    }

    /// Commits what is there to `dev`, and pushes it where there is an `origin`.
    pub(super) async fn commit(&self, message: &str) {
        let repo = self.bench.repo();
        git(&repo, &["add", "--all"]).await;
        git(&repo, &["commit", "--quiet", "--message", message]).await;
    }

    /// How each app stands.
    fn standings(&self) -> Vec<(String, String)> {
        let report = self.report();
        let apps = report["environments"][0]["apps"].as_array().unwrap().iter();
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        apps.map(|app| (word(&app["app"]), word(&app["standing"])))
            .collect()
    }
}

fn pair(app: &str, standing: &str) -> (String, String) {
    (app.to_owned(), standing.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_git_has_it_is_told_in_one_issue_that_is_closed_again() {
    let world = World::pinned().await;
    let forge = Forge::start(&world.bench).await;
    let issue = || {
        world
            .audit("--env dev --issue --github acme/models")
            .env("GITHUB_API_URL", forge.server.api_url())
            .env("GITHUB_TOKEN", TOKEN)
    };
    let clean = discreet(issue().go().await).ended(17).one_error();
    let clean = clean.hides(TOKEN).says(&[
        "text/summarize@1 in dev is missing",
        "secret OPENAI_API_KEY in dev is missing",
        "hint: `pipeline deploy",
    ]);
    assert!(clean.stdout.contains("issue #1 opened"), "{}", clean.stdout);
    let open = async || forge.repo().open_issues("pipeline-drift").await.unwrap();
    let first = open().await;
    assert_eq!(first.len(), 1);
    assert!(
        first[0]
            .body
            .contains("| `dev` | `text/summarize@1` | missing |")
    );

    // The same again changes nothing.
    let ran = discreet(issue().go().await).ended(17);
    assert!(ran.stdout.contains("says so already"), "{}", ran.stdout);
    assert_eq!(open().await, first);

    // One of two is deployed, and with another image than the branch has.
    let text = world.bench.read(FILE);
    world.pin("text_summarize", &world.image("text_summarize", '1'), '2');
    let words = "--env dev --no-smoke --processors text/summarize";
    discreet(world.with_secrets(words).go().await).ok();
    world.bench.write(FILE, text);
    let ran = discreet(issue().go().await).ended(17).one_error();
    ran.says(&["text/summarize@1 in dev is drifted", "has 222222222222"]);
    let ours = [
        pair("image-palette-v1", "missing"),
        pair("text-summarize-v1", "drifted"),
    ];
    assert_eq!(world.standings(), ours);
    let now = open().await;
    assert_eq!((now.len(), now[0].number), (1, 1));
    assert!(now[0].body.contains("| drifted |"), "{}", now[0].body);

    let good = world.with_secrets("--env dev --no-smoke");
    discreet(good.go().await).ok();
    let ran = discreet(issue().go().await).ok();
    assert!(ran.stdout.contains("issue #1 closed"), "{}", ran.stdout);
    assert_eq!(open().await, []);
    let ran = discreet(issue().go().await).ok();
    assert!(ran.stdout.contains("no issue is open"), "{}", ran.stdout);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_questions_are_asked_and_nothing_is_changed() {
    let world = World::pinned().await;
    super::super::project::commit_all(&world.bench.repo()).await;
    discreet(world.with_secrets("--env dev --no-smoke").go().await).ok();
    let count = |rpc: &str| world.modal.count(rpc);
    let before = [
        "AppGetByDeploymentName",
        "AppDeploymentHistory",
        "SecretUpdate",
    ]
    .map(count);
    let ran = world
        .audit("--env dev")
        .env("PIPELINE_MODAL", "/nonexistent/modal");
    discreet(ran.go().await).ok();
    let after = [
        "AppGetByDeploymentName",
        "AppDeploymentHistory",
        "SecretUpdate",
    ]
    .map(count);
    // One for each app; the record tells the rest.
    assert_eq!(after, [before[0] + 2, before[1], before[2]]);

    let ran = world.audit("--env all").go().await.ended(2).one_error();
    ran.says(&["branch `staging`", "hint: run `git fetch origin staging`"]);
    let ran = world.audit("--env dev --issue").go().await;
    ran.ended(2).one_error().says(&["--github OWNER/NAME"]);
    world.stop().await;
}
