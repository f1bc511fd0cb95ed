//! `pipeline rollback`, with the real `modal` program, git and the embedded GitHub.

use super::super::bench::{Run, interrupt, is_gone};
use super::super::services::{Forge, TOKEN};
use super::runs::watched;
use super::{World, discreet};

const TEXT: &str = "text-summarize-v1";

impl World {
    fn rollback(&self, forge: &Forge, words: &str) -> Run {
        let run = self.bench.pipeline("rollback --json");
        Self::valued(self.prepared(run, "--processor text/summarize@1 --github acme/models"))
            .env("GITHUB_API_URL", forge.server.api_url())
            .env("GITHUB_TOKEN", TOKEN)
            .words(words)
    }

    /// The version of the app that is live, and the digit of its digest.
    fn runs(&self) -> (u32, char) {
        let live = self.modal.deployed(&"dev".parse().unwrap(), TEXT).unwrap();
        (live.version, live.from_image.chars().last().unwrap())
    }

    async fn deployed(&self) {
        let words = "--env dev --no-smoke --processors text/summarize";
        discreet(self.with_secrets(words).go().await).ok();
    }

    /// `dev` pinned `1`, then `2`, and both were deployed.
    async fn twice() -> (Self, Forge) {
        let reply = serde_json::json!({"status": "success"});
        let world = Self::replying(Some(reply)).await.with_pins();
        let forge = Forge::start(&world.bench).await;
        world.deployed().await;
        world.pin("text_summarize", &world.image("text_summarize", '1'), '2');
        world.commit("pin 2").await;
        let (git, there) = (world.bench.repo(), forge.git_dir());
        let there = there.display().to_string();
        super::super::project::git(&git, &["push", "--quiet", &there, "dev"]).await;
        world.deployed().await;
        assert_eq!(world.runs(), (2, '2'));
        (world, forge)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pin_before_comes_back_at_once_and_is_held() {
    let (world, forge) = World::twice().await;
    let dry = world.rollback(&forge, "--now --dry-run").go().await;
    let dry = discreet(dry).ok().hides(TOKEN);
    let shown = &dry.stdout;
    assert!(
        shown.contains("222222222222 → 111111111111, which was live as version 1"),
        "{shown}"
    );
    assert!(shown.contains("would be opened"), "{shown}");
    assert_eq!((world.runs(), forge.open().await.len()), ((2, '2'), 0));

    let ran = discreet(world.rollback(&forge, "--now").go().await).ok();
    assert!(
        ran.stdout.contains("held: deploys leave it alone"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("pull request #1 opened"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.runs(), (3, '1'));
    let report = world.report();
    assert_eq!(
        (&report["schema"], &report["held"]),
        (&1.into(), &true.into())
    );
    assert_eq!(report["deploy"]["apps"][0]["smoke"]["verdict"], "passed");
    let open = forge.open().await;
    assert_eq!(open[0].head, "bot/rollback-text-summarize-v1-111111111111");
    assert_eq!(open[0].base, "dev");

    // Automation leaves it alone, and says so; and so does an audit.
    let deploy = world.with_secrets("--env dev --processors text/summarize --force");
    let ran = discreet(deploy.go().await).ok();
    assert!(
        ran.stdout.contains("a person holds it at 111111111111"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.runs(), (3, '1'));
    let audit = discreet(world.audit("--env dev").go().await).ended(17);
    assert!(audit.stdout.contains("held"), "{}", audit.stdout);

    // Again it finds nothing to do.
    let ran = discreet(world.rollback(&forge, "--now").go().await).ok();
    assert!(
        ran.stdout.contains("pull request #1 is open"),
        "{}",
        ran.stdout
    );
    assert_eq!((world.runs(), forge.open().await.len()), ((3, '1'), 1));

    // Until it is let go.
    let release = || world.rollback(&forge, "--release-hold").go();
    let ran = discreet(release().await).ok();
    assert!(
        ran.stdout.contains("no longer held at 111111111111"),
        "{}",
        ran.stdout
    );
    let ran = discreet(release().await).ok();
    assert!(ran.stdout.contains("is not held"), "{}", ran.stdout);
    world.deployed().await;
    assert_eq!(world.runs(), (4, '2'));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modal_goes_back_itself_where_it_may() {
    let (world, forge) = World::twice().await;
    let ran = discreet(world.rollback(&forge, "--native").go().await).ok();
    assert!(
        ran.stdout.contains("Modal went back, as version 3"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.runs(), (3, '1'));
    let report = world.report();
    assert_eq!(report["smoke"]["verdict"], "passed");
    assert_eq!(report["deploy"], serde_json::Value::Null);
    let ran = discreet(world.rollback(&forge, "--native").go().await).ok();
    assert!(
        ran.stdout.contains("pull request #1 is open"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.runs(), (3, '1'));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_there_and_was_live_comes_back() {
    let (world, forge) = World::twice().await;
    let digest = |digit: char| format!("--to sha256:{}", String::from(digit).repeat(64));
    let run = |words: String| world.rollback(&forge, &words).go();
    let ran = discreet(run(digest('0')).await).ended(2).one_error();
    ran.says(&["the registry does not have it", "hint: "]);
    let ran = discreet(run(digest('7')).await).ended(2).one_error();
    ran.says(&["nothing tells that it was ever live in `dev`", "hint: "]);
    for to in ["--to=nowhere", "--to=a..b", "--to=--all"] {
        let ran = discreet(run(to.to_owned()).await).ended(2).one_error();
        ran.says(&["roll back to `", "hint: give `sha256:"]);
    }
    assert_eq!((world.runs(), forge.open().await.len()), ((2, '2'), 0));

    // A commit, and only the pull request.
    let ran = discreet(run("--to dev~1".to_owned()).await).ok();
    assert!(
        ran.stdout.contains("pull request #1 opened"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.runs(), (2, '2'));
    let diff = [
        "diff",
        "--stat",
        "dev~1",
        "bot/rollback-text-summarize-v1-111111111111",
    ];
    assert_eq!(
        super::super::project::git(&forge.git_dir(), &diff).await,
        ""
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modals_own_command_line_can_roll_back() {
    let (world, forge) = World::twice().await;
    let cli = "--modal-backend cli";
    let ran = world.rollback(&forge, &format!("--now {cli}")).go().await;
    discreet(ran).ok();
    assert_eq!(world.runs(), (3, '1'));
    let report = world.report();
    assert_eq!(
        (&report["held"], &report["proof"]["version"]),
        (&true.into(), &1.into())
    );
    assert_eq!(forge.open().await.len(), 1);

    let words = format!("--native {cli} --to sha256:{}", "2".repeat(64));
    let ran = discreet(world.rollback(&forge, &words).go().await).ok();
    assert!(
        ran.stdout.contains("Modal went back, as version 4"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.runs(), (4, '2'));
    let ran = world.rollback(&forge, &format!("--release-hold {cli}"));
    let ran = discreet(ran.go().await).ok();
    assert!(
        ran.stdout.contains("no longer held at 222222222222"),
        "{}",
        ran.stdout
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_rollback_and_it_stays_held() {
    let (world, forge) = World::twice().await;
    world.slow_module();
    let run = world.bench.pipeline_in_shell("rollback --json");
    let run = World::valued(world.prepared(run, "--processor text/summarize@1 --now --verbose"))
        .words("--env dev --github acme/models")
        .env("GITHUB_API_URL", forge.server.api_url())
        .env("GITHUB_TOKEN", TOKEN)
        .env("WAIT_FOR", "/nonexistent/go");
    let (told, run) = watched(run);
    let (ran, ()) = tokio::join!(run, async {
        told.until("deploying").await;
        interrupt(&told.first_line());
    });
    let ran = discreet(ran).ended(130).hides(TOKEN);
    ran.says(&["is held at 111111111111, and that is not what runs: run this again"]);
    assert!(is_gone(&told.first_line()));
    assert_eq!((world.runs(), forge.open().await.len()), ((2, '2'), 0));
    assert_eq!(world.report()["held"], true);
    // Automation leaves it as it is, and the same once more goes on.
    world.deployed().await;
    assert_eq!(world.runs(), (2, '2'));
    let why = &world.report()["apps"][0]["why"];
    let told = [
        "a person holds it at 111111111111",
        "what runs is 222222222222",
    ];
    assert_eq!(*why, serde_json::json!(told));
    discreet(world.rollback(&forge, "--now").go().await).ok();
    assert_eq!((world.runs(), forge.open().await.len()), ((3, '1'), 1));
    world.stop().await;
}
