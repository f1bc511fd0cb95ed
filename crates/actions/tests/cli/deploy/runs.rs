//! One run after the other, and two at once, with the real `modal` program.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::bench::{eventually, interrupt, is_gone, send};
use super::{Ran, Run, SECRET, World, discreet};

const TEXT: &str = "text-summarize-v1";
const IMAGE: &str = "image-palette-v1";

/// A program that must not be started.
const NO_MODAL: (&str, &str) = ("PIPELINE_MODAL", "/nonexistent/modal");

impl World {
    /// The version that is live, and the digit of its digest.
    fn live(&self, app: &str) -> (u32, char) {
        let live = self.modal.deployed(&"dev".parse().unwrap(), app).unwrap();
        let digit = live.from_image.chars().last().unwrap();
        (live.version, digit)
    }

    fn quick(&self, words: &str) -> Run {
        self.with_secrets(&format!("--env dev --no-smoke {words}"))
    }

    async fn good(&self, words: &str) -> Ran {
        discreet(self.quick(words).go().await).ok()
    }

    /// Each app's step and what came of it.
    fn done(&self) -> Vec<(String, String)> {
        let report = self.report();
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let apps = report["apps"].as_array().unwrap().iter();
        apps.map(|app| (word(&app["step"]), word(&app["deployed"])))
            .collect()
    }

    /// The module waits before it is deployed, until the file `WAIT_FOR` is there.
    pub(super) fn slow_module(&self) {
        let module = self.bench.read("code/modal_app.py");
        let wait = "import os, time\nwhile os.environ.get('WAIT_FOR') and not \
                    os.path.exists(os.environ['WAIT_FOR']):\n    time.sleep(0.05)\n";
        let text = module.replacen("import json\n", &format!("{wait}import json\n"), 1);
        self.bench.write("code/modal_app.py", text);
    }
}

fn pair(step: &str, deployed: &str) -> (String, String) {
    (step.to_owned(), deployed.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_is_left_alone_and_what_changed_is_not() {
    let world = World::pinned().await;
    world.good("").await;
    assert_eq!((world.live(IMAGE), world.live(TEXT)), ((1, '1'), (1, '1')));

    let run = world.quick("").env(NO_MODAL.0, NO_MODAL.1);
    let ran = discreet(run.go().await).ok();
    let shown = &ran.stdout;
    assert!(shown.contains("nothing to do v1"), "{shown}");
    assert!(shown.contains("v1 111111111111"), "{shown}");
    let current = pair("current", "current");
    assert_eq!(world.done(), [current.clone(), current.clone()]);

    // A secret of one of them: new containers, and no Python.
    let run = world.quick("").env(NO_MODAL.0, NO_MODAL.1);
    let run = run.env("REPLICATE_API_TOKEN", format!("{SECRET}-3"));
    discreet(run.go().await).ok();
    assert_eq!(
        world.done(),
        [pair("rollover", "rolled-over"), current.clone()]
    );
    assert_eq!(world.live(IMAGE), (2, '1'));

    // A digest.
    let run = || {
        world
            .quick("")
            .env("REPLICATE_API_TOKEN", format!("{SECRET}-3"))
    };
    world.pin("image_palette", &world.image("image_palette", '1'), '2');
    discreet(run().go().await).ok();
    assert_eq!(world.done(), [pair("deploy", "deployed"), current.clone()]);
    assert_eq!((world.live(IMAGE), world.live(TEXT)), ((3, '2'), (1, '1')));
    let app = world.report()["apps"][0].clone();
    assert_eq!(
        (&app["version-before"], &app["version"]),
        (&2.into(), &3.into())
    );
    assert!(app["image-id"].as_str().unwrap().starts_with("im-"));
    assert!(
        app["live"]["digest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:22")
    );

    // The code. Modal looks at the file, so both get a new version.
    let module = world.bench.read("code/modal_app.py");
    world
        .bench
        .write("code/modal_app.py", format!("{module}\nCHANGED = True\n"));
    discreet(run().words("--logs logs --jobs 1").go().await).ok();
    assert_eq!((world.live(IMAGE), world.live(TEXT)), ((4, '2'), (2, '1')));
    let log = world.bench.read("logs/text-summarize-v1.log");
    assert!(log.contains("App deployed"), "{log}");
    assert!(!log.contains(SECRET));

    // By hand, with Modal's own means.
    let modal = world.modal_program(&["app", "rollback", TEXT, "v1", "--env", "dev"]);
    modal.go().await.ok();
    assert_eq!(world.live(TEXT).0, 3);
    discreet(run().go().await).ok();
    let why = &world.report()["apps"][1]["why"][0];
    assert_eq!(why, "somebody else deployed version 3 after our 2");
    assert_eq!(world.live(TEXT).0, 4);
    world.stop().await;
}

impl World {
    fn modal_program(&self, args: &[&str]) -> Run {
        let program = std::env::var_os("PIPELINE_MODAL").unwrap_or("modal".into());
        let run = self
            .bench
            .prepared(process::Command::new(program).args(args));
        run.env("MODAL_SERVER_URL", self.modal.url())
            .env("MODAL_TOKEN_ID", "ak-tests")
            .env("MODAL_TOKEN_SECRET", "as-tests-0123456789")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn modals_own_command_line_can_do_it_all() {
    let world = World::pinned().await;
    let words = "--modal-backend cli --processors text/summarize";
    world.good(words).await;
    assert_eq!(world.live(TEXT), (1, '1'));
    // Modal's package reads and writes the record as the client of the project does.
    let run = world.quick("--processors text/summarize");
    let run = run.env(NO_MODAL.0, NO_MODAL.1);
    discreet(run.go().await).ok();
    assert_eq!(world.done(), [pair("current", "current")]);
    world.good(words).await;
    assert_eq!(world.done(), [pair("current", "current")]);
    assert_eq!(world.live(TEXT), (1, '1'));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_at_once_the_newer_one_wins() {
    let world = World::pinned().await;
    world.slow_module();
    let only = "--processors text/summarize";
    let go = world.bench.path("go");
    let (told, run) = watched(world.quick(only).words("--verbose").env("WAIT_FOR", &go));
    let newer = async {
        // It has read the files by then, and Python is about to.
        told.until("deploying").await;
        world.pin("text_summarize", &world.image("text_summarize", '1'), '2');
        world.good(only).await;
        std::fs::write(&go, "").unwrap();
    };
    let (older, ()) = tokio::join!(run, newer);
    let older = discreet(older).ended(14).one_error();
    older.says(&["superseded by run 2"]);
    let (version, digit) = world.live(TEXT);
    assert_eq!(digit, '2', "version {version}");
    // Whoever was last to write knows what is live.
    let run = world.quick(only).env(NO_MODAL.0, NO_MODAL.1);
    discreet(run.go().await).ok();
    world.stop().await;
}

/// What a run has said so far.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<String>>);

impl Told {
    pub(super) async fn until(&self, word: &str) {
        let said = || self.0.lock().unwrap().contains(word).then_some(());
        eventually(word, said).await;
        // What is told is about to be done.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    pub(super) fn first_line(&self) -> String {
        let text = self.0.lock().unwrap();
        text.lines().next().unwrap_or_default().to_owned()
    }
}

pub(super) fn watched(run: Run) -> (Told, impl Future<Output = Ran>) {
    let told = Told::default();
    let seen = told.clone();
    let ran = run.go_on(move |_, line| {
        let mut seen = seen.0.lock().unwrap();
        seen.push_str(line);
        seen.push('\n');
    });
    (told, ran)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_a_deploy_and_its_mark_is_made_up_for() {
    let world = World::pinned().await;
    // It is published by the time that Python ends.
    let module = world.bench.read("code/modal_app.py");
    let wait = "import atexit, os, time\ndef wait():\n    while os.environ.get('WAIT_FOR') and not \
                os.path.exists(os.environ['WAIT_FOR']):\n        time.sleep(0.05)\n\
                atexit.register(wait)\n";
    let text = module.replacen("import json\n", &format!("{wait}import json\n"), 1);
    world.bench.write("code/modal_app.py", text);
    let go = world.bench.path("go");
    let only = "--env dev --no-smoke --processors text/summarize";
    let run = world.bench.pipeline_in_shell("deploy --json");
    let run = World::valued(world.prepared(run, only)).env("WAIT_FOR", &go);
    let told = Told::default();
    let seen = told.clone();
    let command = run.command.on_line(move |_, line| {
        assert!(!line.contains(SECRET));
        seen.0.lock().unwrap().push_str(&format!("{line}\n"));
    });
    let never = CancellationToken::new();
    let (ran, ()) = tokio::join!(command.run(&never), async {
        eventually("it is live", || world.has_app(TEXT).then_some(())).await;
        send(&told.first_line(), rustix::process::Signal::KILL);
        // What it had started ends by itself.
        std::fs::write(&go, "").unwrap();
    });
    let killed = ran.unwrap_err().to_string();
    assert!(killed.contains("killed by signal 9"), "{killed}");
    assert_eq!(world.live(TEXT), (1, '1'));
    // Nobody noted what that is, and so it is deployed again: to Modal, nothing new but secrets.
    let words = "--processors text/summarize";
    world.good(words).await;
    assert_eq!(world.done(), [pair("deploy", "rolled-over")]);
    let run = world.quick(words).env(NO_MODAL.0, NO_MODAL.1);
    discreet(run.go().await).ok();
    assert_eq!(world.live(TEXT), (2, '1'));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_deploy_and_the_next_run_goes_on() {
    let world = World::pinned().await;
    world.slow_module();
    let run = world.bench.pipeline_in_shell("deploy --json");
    let run = World::valued(world.prepared(run, "--env dev --no-smoke --jobs 1"));
    let (told, run) = watched(run.words("--verbose").env("WAIT_FOR", "/nonexistent/go"));
    let interrupting = async {
        told.until("deploying").await;
        interrupt(&told.first_line());
    };
    let (ran, ()) = tokio::join!(run, interrupting);
    let ran = discreet(ran).ended(130);
    assert!(ran.stdout.contains("failed"), "{}", ran.stdout);
    let report = world.report();
    assert_eq!(report["interrupted"], true);
    for app in report["apps"].as_array().unwrap() {
        assert_eq!(app["tried"], false, "{app}");
    }
    assert!(is_gone(&told.first_line()));
    assert!(!world.has_app(IMAGE) && !world.has_app(TEXT));

    world.good("").await;
    assert_eq!((world.live(IMAGE), world.live(TEXT)), ((1, '1'), (1, '1')));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_answer_goes_back_when_asked_to() {
    let world = World::pinned().await;
    let only = "--processors text/summarize";
    world.good(only).await;
    // Nobody can start this image, so its smoke fails.
    world.pin("text_summarize", &world.image("text_summarize", '1'), '2');
    let words = format!("--env dev --on-failure rollback {only}");
    let ran = discreet(world.with_secrets(&words).go().await)
        .ended(15)
        .one_error();
    ran.says(&[
        "failed to smoke `dev`",
        "rolled back to version 1, now version 3",
    ]);
    assert_eq!(world.live(TEXT), (3, '1'));
    let rollback = world.report()["apps"][0]["rollback"].clone();
    assert_eq!(rollback["means"], "native");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_takes_too_long_is_ended_and_the_others_are_not() {
    let world = World::pinned().await;
    let module = world.bench.read("code/modal_app.py");
    let wait = "import os, time\nif os.environ.get('PROCESSOR_REF', '').startswith('text/'):\n    \
                time.sleep(600)\n";
    let text = module.replacen("import json\n", &format!("{wait}import json\n"), 1);
    world.bench.write("code/modal_app.py", text);
    let ran = discreet(world.quick("--timeout 5 --jobs 2").go().await).ended(14);
    ran.says(&["text/summarize@1", "still running after 5s"]);
    assert_eq!(world.live(IMAGE), (1, '1'));
    assert!(!world.has_app(TEXT));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_released_must_be_one_of_the_processors() {
    let world = World::pinned().await;
    let ran = world.quick("--release-hold text/other@1").go().await;
    let ran = discreet(ran).ended(2).one_error();
    ran.says(&["release the hold of `text/other@1`", "hint: "]);
    world.good("--release-hold text/summarize@1").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_nobody_declares_are_listed() {
    let world = World::pinned().await;
    let modal = world.modal_program(&["secret", "create", "LEFT_OVER", "A=b", "--env", "dev"]);
    modal.go().await.ok();
    // What a processor that is not deployed now declares is no orphan.
    world.good("").await;
    let ran = world.good("--processors text/summarize").await;
    let told = "Nobody declares these of `dev`: LEFT_OVER\n";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    let orphans = &world.report()["secrets"]["orphans"];
    assert_eq!(*orphans, serde_json::json!(["LEFT_OVER"]));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_looked_up_with_the_login_that_modal_will_use() {
    let world = World::pinned().await;
    // `robot` with the secret as its password.
    world
        .images
        .wants_login("cm9ib3Q6c2stdmVyeS1zZWNyZXQtNWYxYw==");
    let only = "--processors text/summarize";
    let ran = discreet(world.quick(only).go().await).ended(14).one_error();
    ran.says(&["docker login"]);
    let run = |password: &str| {
        let login = serde_json::json!({
            "REGISTRY_USERNAME": "robot", "REGISTRY_PASSWORD": password,
        });
        world.quick(only).env("REGISTRY_AUTH", login.to_string())
    };
    let ran = discreet(run("wrong").go().await).ended(14).one_error();
    ran.says(&[
        "asked with REGISTRY_AUTH, as Modal does",
        "hint: see that REGISTRY_AUTH is valid",
    ]);
    assert!(!world.has_app(TEXT));
    discreet(run(SECRET).go().await).ok();
    assert_eq!(world.live(TEXT), (1, '1'));
    world.stop().await;
}
