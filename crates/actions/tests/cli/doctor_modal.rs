use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rehearsal::modal::{EmbeddedModal, ModalOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, Ran, Run, json_file};
use super::project::{self, digest};
use super::services::with_registry;

const SECRET: &str = "sk-very-secret-5f1c";
const TOKEN: &str = "as-tests-0123456789";

/// A Modal workspace with the environment `dev`, and a repository.
struct World {
    bench: Bench,
    modal: EmbeddedModal,
}

impl World {
    async fn new() -> Self {
        let options = ModalOptions {
            environments: vec!["dev".parse().unwrap()],
            ..ModalOptions::default()
        };
        let modal = EmbeddedModal::start(options, &CancellationToken::new())
            .await
            .unwrap();
        Self {
            bench: Bench::new(),
            modal,
        }
    }

    /// With the example as the repository.
    async fn example() -> Self {
        let world = Self::new().await;
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/processors");
        for (name, bytes) in project::content(&example) {
            world.bench.write(&name, bytes);
        }
        world
    }

    fn doctor(&self, words: &str) -> Run {
        self.bench
            .pipeline("doctor modal --json")
            .arg(self.bench.path("doctor.json"))
            .env("MODAL_SERVER_URL", self.modal.url())
            .env("MODAL_TOKEN_ID", "ak-tests")
            .env("MODAL_TOKEN_SECRET", TOKEN)
            .words(words)
    }

    fn report(&self) -> Value {
        json_file(&self.bench.path("doctor.json"))
    }

    /// How each check of this kind ended.
    fn statuses(&self, check: &str) -> Vec<String> {
        let report = self.report();
        let all = report["findings"].as_array().unwrap().iter();
        let ours = all.filter(|one| one["check"] == check);
        ours.map(|one| one["status"].as_str().unwrap().to_owned())
            .collect()
    }

    fn environments(&self) -> Vec<String> {
        let mut names = self.modal.environments();
        names.sort();
        names
    }
}

#[track_caller]
fn discreet(ran: Ran) -> Ran {
    ran.hides(SECRET).hides(TOKEN)
}

fn registry_auth() -> String {
    json!({"REGISTRY_USERNAME": "robot", "REGISTRY_PASSWORD": SECRET}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_is_told_at_once_with_its_cure() {
    let world = World::example().await;
    world
        .bench
        .write("pipeline.yml", "modal: {app: code/other.py}\n");
    let run = world
        .doctor("--env staging")
        .env("REPLICATE_API_TOKEN", SECRET)
        .env("REGISTRY_AUTH", SECRET)
        .env("PIPELINE_MODAL", "/nonexistent/modal");
    let ran = discreet(run.go().await).ended(14).one_error();
    insta::assert_snapshot!(ran.stdout, @"
       check            about                found
    ─  ───────────────  ───────────────────  ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    ✓  token            ak-tests             of `rehearsal` in workspace `rehearsal`
    ✗  environment      staging              the workspace does not have it; it has `dev`
    ✓  image builder    all environments     2025.06 in `dev`; not there yet: `main`, `staging`
    ✗  modal client     modal                failed to start `/nonexistent/modal`, the Modal command line: no such program
    ✗  app file         code/other.py        failed to find the Modal app `code/other.py`: there is no file `code/other.py` in the repository
    ✓  app names        2 apps               none is too long, and no other processor has the same
    ✗  registry secret  REGISTRY_AUTH        keys of its value: `REGISTRY_AUTH`; Modal wants exactly `REGISTRY_PASSWORD`, `REGISTRY_USERNAME`
    !  secret           LITELLM_API_BASE     optional, and no value is at hand: left out
    ✗  secret           OPENAI_API_KEY       `OPENAI_API_KEY` has no value: `OPENAI_API_KEY_STAGING` and `OPENAI_API_KEY` not set or empty (required by text/summarize@1)
    !  secret           REPLICATE_API_BASE   optional, and no value is at hand: left out
    ✓  secret           REPLICATE_API_TOKEN  a value is at hand
    ✗  image            image/palette@1      image/palette@1 is not pinned: code/apps/core/registry/processors/image_palette.yaml has `sha256:pending` where `<repository>@sha256:<64 hex>` belongs
    ✗  image            text/summarize@1     text/summarize@1 is not pinned: code/apps/core/registry/processors/text_summarize.yaml has `sha256:pending` where `<repository>@sha256:<64 hex>` belongs
    ");
    insta::assert_snapshot!(ran.stderr.split_once("error: ").unwrap().1, @r#"
    failed to find all that a deploy to `staging` needs:
      - environment `staging`: the workspace does not have it; it has `dev`
        hint: run `modal environment create staging`, or give --create-environment
      - modal client `modal`: failed to start `/nonexistent/modal`, the Modal command line: no such program
        hint: run `pip install modal==1.6.4`, or set PIPELINE_MODAL to the program
      - app file `code/other.py`: failed to find the Modal app `code/other.py`: there is no file `code/other.py` in the repository
        hint: give the path of the Python file relative to the root of the repository, as in `code/modal_app.py`
      - registry secret `REGISTRY_AUTH`: keys of its value: `REGISTRY_AUTH`; Modal wants exactly `REGISTRY_PASSWORD`, `REGISTRY_USERNAME`
        hint: set REGISTRY_AUTH to a JSON object: {"REGISTRY_USERNAME": "…", "REGISTRY_PASSWORD": "…"}
      - secret `OPENAI_API_KEY`: `OPENAI_API_KEY` has no value: `OPENAI_API_KEY_STAGING` and `OPENAI_API_KEY` not set or empty (required by text/summarize@1)
        hint: set the values in the environment of the pipeline (for `dev`, NAME_DEV wins over NAME) or in the JSON object of secrets, or move the names to `secrets.optional`
      - image `image/palette@1`: image/palette@1 is not pinned: code/apps/core/registry/processors/image_palette.yaml has `sha256:pending` where `<repository>@sha256:<64 hex>` belongs
        hint: merge the open pin pull request, or run build-and-pin for these processors
      - image `text/summarize@1`: text/summarize@1 is not pinned: code/apps/core/registry/processors/text_summarize.yaml has `sha256:pending` where `<repository>@sha256:<64 hex>` belongs
        hint: merge the open pin pull request, or run build-and-pin for these processors
    "#);
    let report = world.report();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["environment"], "staging");
    assert_eq!(report["findings"][1]["status"], "failed");
    assert_eq!(world.environments(), ["dev"]);
    world.modal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_everything_there_a_deploy_can_go_on() {
    with_registry(async |host| {
        let world = World::new().await;
        project::runbook(&world.bench);
        world.bench.write("code/modal_app.py", "");
        let build = world.bench.path("build.json");
        let words = format!("build --registry {host} --image-prefix ghcr.io/acme/models --json");
        world.bench.pipeline(&words).arg(&build).go().await.ok();
        let pin = world.bench.pipeline("pin --from").arg(&build);
        pin.go().await.ok();

        let ready = |words: &str| world.doctor(words).env("REGISTRY_AUTH", registry_auth());
        let ran = discreet(ready("--env dev").go().await).ok();
        let words = [
            "✓  token",
            "`rehearsal`",
            "`REGISTRY_PASSWORD`, `REGISTRY_USERNAME`",
        ];
        for word in words {
            assert!(ran.stdout.contains(word), "{}", ran.stdout);
        }
        assert_eq!(world.statuses("image"), ["ok", "ok"]);

        // The environment is made, and nothing else.
        let ran = discreet(ready("--env new --create-environment").go().await).ok();
        assert!(ran.stdout.contains("has been made"), "{}", ran.stdout);
        assert_eq!(world.environments(), ["dev", "new"]);

        // By the command line, which tells neither keys nor, maybe, image builders.
        let by_cli = "--env dev --modal-backend cli --processors text/upper";
        let run = world.doctor(by_cli);
        discreet(run.go().await).ok();
        assert_eq!(world.statuses("token"), ["ok"]);
        assert_eq!(world.statuses("registry-auth"), ["warning"]);

        let run = ready("--env dev").env("MODAL_TOKEN_SECRET", "");
        let ran = discreet(run.go().await).ended(14).one_error();
        ran.says(&["MODAL_TOKEN_SECRET", "hint: "]);
        assert_eq!(world.statuses("environment"), ["not-checked"]);
        assert_eq!(world.statuses("image"), ["ok", "ok"]);
        world.modal.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_asked_for_with_the_login_that_modal_will_use() {
    let world = World::new().await;
    project::runbook(&world.bench);
    world.bench.write("code/modal_app.py", "");
    let logins: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&logins);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    let refuse = async move |headers: HeaderMap| -> Response {
        if let Some(login) = headers.get("authorization") {
            seen.lock()
                .unwrap()
                .push(login.to_str().unwrap().to_owned());
        }
        let ask = [("www-authenticate", "Basic realm=\"images\"")];
        (StatusCode::UNAUTHORIZED, ask).into_response()
    };
    let app = axum::Router::new().fallback(refuse);
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    for name in ["upper", "lower"] {
        let image = format!("{host}/acme/{name}@{}", digest('1'));
        world
            .bench
            .write(&project::file_of(name), project::entry(name, &image));
    }
    let run = world
        .doctor("--env dev")
        .env("REGISTRY_AUTH", registry_auth());
    let ran = discreet(run.go().await).ended(14).one_error();
    server.abort();
    ran.says(&[
        "asked with REGISTRY_AUTH, as Modal does",
        "hint: see that REGISTRY_AUTH",
    ]);
    let logins = logins.lock().unwrap().clone();
    assert!(!logins.is_empty());
    assert!(
        logins
            .iter()
            .all(|login| login.starts_with("Basic cm9ib3Q6")),
        "{logins:?}"
    );
    world.modal.stop().await;
}
