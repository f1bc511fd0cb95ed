mod action;
mod audit;
mod gate;
mod images;
mod rollback;
mod runs;

use std::path::Path;

use rehearsal::modal::{EmbeddedModal, ModalOptions};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::images::Images;
use super::bench::{Bench, Ran, Run, json_file};
use super::project::digest;
use super::services::{python_base, with_registry};

const SECRET: &str = "sk-very-secret-5f1c";
const REGISTRY_FILES: &str = "code/apps/core/registry/processors";

/// A copy of the example, a registry that has every image, and a Modal workspace with the
/// environment `dev`.
struct World {
    bench: Bench,
    modal: EmbeddedModal,
    images: Images,
}

impl World {
    async fn new() -> Self {
        Self::replying(None).await
    }

    /// The same, where every call returns this at once.
    async fn replying(reply: Option<Value>) -> Self {
        assert!(
            std::env::var_os("PIPELINE_MODAL").is_some() || process::which("modal").is_some(),
            "pip install modal==1.6.4, and put `modal` on PATH or into PIPELINE_MODAL"
        );
        let bench = Bench::new();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/processors");
        for (name, bytes) in super::project::content(&example) {
            bench.write(&name, bytes);
        }
        let options = ModalOptions {
            environments: vec!["dev".parse().unwrap()],
            reply,
            ..ModalOptions::default()
        };
        let modal = EmbeddedModal::start(options, &CancellationToken::new())
            .await
            .unwrap();
        let images = Images::start().await;
        Self {
            bench,
            modal,
            images,
        }
    }

    /// The same, with pins of images that only the registry knows of.
    async fn pinned() -> Self {
        Self::new().await.with_pins()
    }

    fn with_pins(self) -> Self {
        for name in ["text_summarize", "image_palette"] {
            self.pin(name, "sha256:pending", '1');
        }
        self
    }

    fn image(&self, name: &str, digit: char) -> String {
        format!("{}/acme/{name}@{}", self.images.host(), digest(digit))
    }

    /// Pins a processor to the digest with this digit, in place of `old`.
    fn pin(&self, name: &str, old: &str, digit: char) {
        let file = format!("{REGISTRY_FILES}/{name}.yaml");
        self.replace(&file, old, &self.image(name, digit));
    }

    fn replace(&self, file: &str, old: &str, new: &str) {
        let text = self.bench.read(file);
        assert!(text.contains(old), "no `{old}` in {file}");
        self.bench.write(file, text.replace(old, new));
    }

    fn deploy(&self, words: &str) -> Run {
        self.prepared(self.bench.pipeline("deploy --json"), words)
    }

    fn prepared(&self, run: Run, words: &str) -> Run {
        self.reporting(run, "deploy.json", words)
    }

    /// The same with another report, for runs at the same time.
    fn reporting(&self, run: Run, report: &str, words: &str) -> Run {
        run.arg(self.bench.path(report))
            .env("MODAL_SERVER_URL", self.modal.url())
            .env("MODAL_TOKEN_ID", "ak-tests")
            .env("MODAL_TOKEN_SECRET", "as-tests-0123456789")
            .words(words)
    }

    fn with_secrets(&self, words: &str) -> Run {
        Self::valued(self.deploy(words))
    }

    fn valued(run: Run) -> Run {
        run.env("OPENAI_API_KEY_DEV", SECRET)
            .env("REPLICATE_API_TOKEN", format!("{SECRET}-2"))
    }

    fn report(&self) -> Value {
        json_file(&self.bench.path("deploy.json"))
    }

    fn has_app(&self, app: &str) -> bool {
        self.modal.deployed(&"dev".parse().unwrap(), app).is_some()
    }

    async fn stop(self) {
        let filter = format!("label=dev.pipeline.rehearsal={}", self.modal.label());
        self.modal.stop().await;
        let left = super::services::docker(&["ps", "--all", "--quiet", "--filter", &filter]).await;
        assert_eq!(left, "");
    }
}

/// A run that says no secret, in any form.
#[track_caller]
fn discreet(ran: Ran) -> Ran {
    ran.hides(SECRET).hides("as-tests-0123456789")
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_secrets_are_all_named_before_anything_is_written() {
    let world = World::pinned().await;
    let ran = world.deploy("--env dev").go().await;
    let ran = discreet(ran).ended(14).one_error();
    ran.says(&["OPENAI_API_KEY_DEV", "REPLICATE_API_TOKEN_DEV", "hint: "]);
    assert!(!world.bench.path("deploy.json").exists());
    assert!(!world.has_app("text-summarize-v1"));

    // An empty value is what a secret that is not set looks like in a workflow.
    let run = world
        .with_secrets("--env dev")
        .env("REPLICATE_API_TOKEN", "");
    let ran = discreet(run.go().await).ended(14).one_error();
    assert!(!ran.stderr.contains("OPENAI_API_KEY"), "{}", ran.stderr);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deployed_is_told_with_its_cure() {
    let world = World::new().await;
    let ran = world.with_secrets("--env dev").go().await;
    let ran = discreet(ran).ended(2).one_error();
    ran.says(&[
        "text/summarize@1",
        "image/palette@1",
        "hint: merge the open pin",
    ]);
    world.stop().await;

    let world = World::pinned().await;
    let ran = world
        .with_secrets("--env staging")
        .env("OPENAI_API_KEY", SECRET);
    let ran = discreet(ran.go().await).ended(14).one_error();
    ran.says(&["`staging`", "`dev`", "--create-environment"]);

    let dry = world.with_secrets("--env dev --dry-run").go().await.ok();
    let dry = discreet(dry);
    let shown = &dry.stdout;
    assert!(shown.contains("deploy  it is not deployed"), "{shown}");
    assert!(
        shown.contains("secret OPENAI_API_KEY would be written: new"),
        "{shown}"
    );
    let steps = world.report();
    assert_eq!(steps["apps"][1]["app"], "text-summarize-v1");
    assert_eq!(steps["apps"][1]["step"], "deploy");
    assert!(!world.has_app("text-summarize-v1"));

    // A digest that the registry does not have.
    world.pin("image_palette", &world.image("image_palette", '1'), '0');
    let ran = discreet(world.with_secrets("--env dev").go().await)
        .ended(14)
        .one_error();
    ran.says(&["image_palette@sha256:0000", "is not there", "hint: "]);
    assert!(!world.has_app("text-summarize-v1"));
    world.pin("image_palette", &world.image("image_palette", '0'), '1');

    let run = world
        .with_secrets("--env dev")
        .env("MODAL_TOKEN_SECRET", "");
    let ran = discreet(run.go().await).ended(2).one_error();
    ran.says(&["MODAL_TOKEN_SECRET"]);
    let run = world
        .with_secrets("--env dev")
        .env("MODAL_SERVER_URL", "http://127.0.0.1:9");
    let ran = discreet(run.go().await).ended(14).one_error();
    ran.says(&["127.0.0.1:9", "hint: "]);
    let run = world
        .with_secrets("--env dev")
        .env("PIPELINE_MODAL", "/nonexistent/modal");
    let ran = discreet(run.go().await).one_error();
    ran.says(&["/nonexistent/modal", "pip install modal"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_raises_fails_the_deploy() {
    let world = World::pinned().await;
    let module =
        "import os\nraise RuntimeError('cannot use ' + os.environ['OPENAI_API_KEY_DEV'])\n";
    world.bench.write("code/modal_app.py", module);
    let run = world.with_secrets("--env dev --processors text/summarize --verbose");
    let ran = discreet(run.go().await).ended(14).one_error();
    let ran = ran.says(&["text/summarize@1", "RuntimeError: cannot use ***"]);
    assert!(ran.stdout.contains("failed"), "{}", ran.stdout);
    let report = world.report();
    assert_eq!(report["apps"][0]["deployed"], "failed");
    assert_eq!(report["apps"][0]["tried"], true);
    assert!(!report.to_string().contains(SECRET));
    assert!(!world.has_app("text-summarize-v1"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_is_smoked() {
    python_base().await;
    with_registry(async |host| {
        let world = World::new().await;
        let build = world.bench.path("build.json");
        let words = format!("build --registry {host} --processors text/summarize --json");
        world.bench.pipeline(&words).arg(&build).go().await.ok();
        world
            .bench
            .pipeline("pin --from")
            .arg(&build)
            .go()
            .await
            .ok();
        let image = json_file(&build)["built"][0]["image"].clone();
        let deploy = || world.with_secrets("--env dev --processors text/summarize");

        let ran = discreet(deploy().go().await).ok();
        let ran = ran.says(&["warning: optional secret `LITELLM_API_BASE`"]);
        assert!(ran.stdout.contains("deployed v1  passed"), "{}", ran.stdout);
        let report = world.report();
        assert_eq!(report["schema"], 1);
        let app = &report["apps"][0];
        assert_eq!((&app["image"], &app["version"]), (&image, &1.into()));
        assert_eq!(app["smoke"]["verdict"], "passed");
        let live = world
            .modal
            .deployed(&"dev".parse().unwrap(), "text-summarize-v1");
        let live = live.unwrap();
        assert_eq!(Value::from(live.from_image), image);
        assert_eq!(live.secrets, ["OPENAI_API_KEY"]);

        // Real mode without its secret, which the container has, fails as declared.
        let file = format!("{REGISTRY_FILES}/text_summarize.yaml");
        let probe = |code: &str| {
            format!("\nsmoke:\n  negative: {{without: OPENAI_API_KEY, code: {code}}}\n\ninputs:\n")
        };
        world.replace(&file, "\ninputs:\n", &probe("ERR_MISSING_SECRET"));
        discreet(deploy().words("--force").go().await).ok();
        let calls = world.report()["apps"][0]["smoke"]["calls"].clone();
        let calls: Vec<_> = calls.as_array().unwrap().iter().collect();
        let ended = calls.iter().map(|call| (&call["kind"], &call["verdict"]));
        let passed = Value::from("passed");
        assert_eq!(
            ended.collect::<Vec<_>>(),
            [(&"smoke".into(), &passed), (&"negative".into(), &passed)]
        );
        world.replace(&file, &probe("ERR_MISSING_SECRET"), &probe("ERR_OTHER"));
        let ran = discreet(deploy().words("--force").go().await).ended(15);
        ran.says(&["ERR_OTHER", "ERR_MISSING_SECRET"]);
        world.replace(&file, &probe("ERR_OTHER"), "\ninputs:\n");

        // A reply that says `error` fails the smoke, and what it betrays is not repeated.
        let reply = "return {'status': 'error', 'error': {'code': 'ERR_X', \
                     'message': 'bad key ' + os.environ['OPENAI_API_KEY']}}";
        let ending = "return process({\"mode\": \"mock\", **payload})";
        world.replace("code/modal_app.py", ending, reply);
        let ran = discreet(deploy().go().await).ended(15).one_error();
        let ran = ran.says(&["failed to smoke `dev`", "text/summarize@1", "ERR_X"]);
        assert!(ran.stdout.contains("deployed v4  failed"), "{}", ran.stdout);
        assert!(!world.report().to_string().contains(SECRET));
        world.stop().await;
    })
    .await;
}
