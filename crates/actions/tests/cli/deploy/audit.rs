//! `pipeline audit`, with the real `modal` program, git and the embedded GitHub.

use github::{Issue, NewIssue};
use tokio::net::TcpListener;

use super::super::bench::{Run, interrupt, is_gone};
use super::super::project::git;
use super::super::services::{Forge, TOKEN};
use super::runs::watched;
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

#[tokio::test(flavor = "multi_thread")]
async fn of_two_issues_the_older_one_stays() {
    let world = World::pinned().await;
    let forge = Forge::start(&world.bench).await;
    let issue = |report: &str| {
        let run = world.bench.pipeline("audit --json");
        let words = "--env dev --issue --github acme/models";
        world
            .reporting(run, report, words)
            .env("GITHUB_API_URL", forge.server.api_url())
            .env("GITHUB_TOKEN", TOKEN)
    };
    let numbers = async || {
        let open = forge.repo().open_issues("pipeline-drift").await.unwrap();
        let numbers: Vec<u64> = open.iter().map(|issue| issue.number).collect();
        numbers
    };
    // Neither sees the other's, as GitHub lists what was opened only after a while.
    let double = NewIssue {
        title: "What runs is not what is pinned".into(),
        body: "<!-- pipeline-drift: dev -->\nthe same".into(),
        label: "pipeline-drift".into(),
    };
    for _ in 0..2 {
        let never = |_: &Issue| false;
        forge.repo().open_issue_once(&double, never).await.unwrap();
    }
    assert_eq!(numbers().await, [1, 2]);
    let ran = discreet(issue("one.json").go().await).ended(17);
    assert!(
        ran.stdout.contains("issue #1 brought up to date"),
        "{}",
        ran.stdout
    );
    assert_eq!(numbers().await, [1]);

    // And those that begin at the same time.
    forge.repo().close_issue(1).await.unwrap();
    let (one, two) = tokio::join!(issue("one.json").go(), issue("two.json").go());
    for ran in [one, two] {
        discreet(ran).ended(17);
    }
    // Both may have seen both, and then the younger one is closed.
    assert_eq!(numbers().await, [3]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modals_own_command_line_can_audit() {
    let world = World::pinned().await;
    super::super::project::commit_all(&world.bench.repo()).await;
    let audit = || world.audit("--env dev --modal-backend cli").go();
    let ran = discreet(audit().await).ended(17).one_error();
    ran.says(&["text/summarize@1 in dev is missing"]);
    discreet(world.with_secrets("--env dev --no-smoke").go().await).ok();
    // What was noted without it, it knows.
    discreet(audit().await).ok();
    let ok = ["image-palette-v1", "text-summarize-v1"].map(|app| pair(app, "ok"));
    assert_eq!(world.standings(), ok);
    assert_eq!(world.report()["environments"][0]["recorded"], true);

    world.pin("text_summarize", &world.image("text_summarize", '1'), '2');
    world.commit("pin 2").await;
    let ran = discreet(audit().await).ended(17).one_error();
    ran.says(&["text/summarize@1 in dev is drifted", "has 111111111111"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_an_audit() {
    let world = World::pinned().await;
    super::super::project::commit_all(&world.bench.repo()).await;
    for backend in ["native", "cli"] {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let run = world.bench.pipeline_in_shell("audit --json");
        let words = format!("--env dev --modal-backend {backend}");
        let (told, run) = watched(world.prepared(run, &words).env("MODAL_SERVER_URL", url));
        let (ran, _asked) = tokio::join!(run, async {
            let asked = silent.accept().await.unwrap();
            interrupt(&told.first_line());
            asked
        });
        discreet(ran).ended(130);
        assert!(is_gone(&told.first_line()));
        assert!(!world.bench.path("deploy.json").exists());
    }
    world.stop().await;
}
