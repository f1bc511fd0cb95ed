use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use modal_deploy::record::RECORD_SECRET;
use modal_deploy::{Client, ClientOptions};
use process::Command;
use rehearsal::modal::{EmbeddedModal, ModalOptions};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

mod tls;

use super::bench::{Bench, Ran, Run, eventually, interrupt, json_file, names_in};

const TOKEN: &str = "as-tests-0123456789";
const KEY: &str = "sk-very-secret-5f1c";
const PASSWORD: &str = "pass'\"%0A\nsecond-line-7d2e";

/// A copy of the example, and a Modal workspace with the environment `dev`.
struct World {
    bench: Bench,
    modal: EmbeddedModal,
}

impl World {
    async fn new() -> Self {
        let bench = Bench::new();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/processors");
        for (name, bytes) in super::project::content(&example) {
            bench.write(&name, bytes);
        }
        let options = ModalOptions {
            environments: vec!["dev".parse().unwrap()],
            ..ModalOptions::default()
        };
        let modal = EmbeddedModal::start(options, &CancellationToken::new())
            .await
            .unwrap();
        Self { bench, modal }
    }

    /// `pipeline secrets` with the Modal token and nothing else.
    fn secrets(&self, words: &str) -> Run {
        self.with_token(self.bench.pipeline("secrets --json"), words)
    }

    fn with_token(&self, run: Run, words: &str) -> Run {
        run.arg(self.bench.path("secrets.json"))
            .env("MODAL_SERVER_URL", self.modal.url())
            .env("MODAL_TOKEN_ID", "ak-tests")
            .env("MODAL_TOKEN_SECRET", TOKEN)
            .words(words)
    }

    /// The same with a value for everything that the example requires, and for `REGISTRY_AUTH`.
    fn with_values(&self, words: &str) -> Run {
        self.valued(self.secrets(words))
    }

    fn valued(&self, run: Run) -> Run {
        let auth = json!({"REGISTRY_USERNAME": "robot-user", "REGISTRY_PASSWORD": PASSWORD});
        run.env("OPENAI_API_KEY_DEV", KEY)
            .env("REPLICATE_API_TOKEN", format!("{KEY}-2"))
            .env("REGISTRY_AUTH", auth.to_string())
    }

    /// All values in a file that only its owner can read.
    fn file(&self, values: &Value) -> PathBuf {
        let file = self.bench.path("values.json");
        std::fs::write(&file, values.to_string()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    fn report(&self) -> Value {
        json_file(&self.bench.path("secrets.json"))
    }

    /// How each secret ended.
    fn outcomes(&self) -> BTreeMap<String, String> {
        let report = self.report();
        let secrets = report["secrets"].as_array().unwrap().iter();
        secrets
            .map(|one| {
                let text = |field: &str| one[field].as_str().unwrap().to_owned();
                (text("name"), text("outcome"))
            })
            .collect()
    }

    /// What Modal has: names and keys, without the record.
    async fn stored(&self) -> Vec<String> {
        let options = ClientOptions::new("ak-tests", SecretString::from(TOKEN));
        let client = Client::connect(options.with_server_url(self.modal.url())).unwrap();
        let stored = client.secrets(&"dev".parse().unwrap()).await.unwrap();
        let mut stored: Vec<String> = stored
            .into_iter()
            .filter(|one| one.name != RECORD_SECRET)
            .map(|one| format!("{}: {}", one.name, one.keys.join(" ")))
            .collect();
        stored.sort();
        stored
    }

    async fn stop(self) {
        self.modal.stop().await;
    }
}

/// Modal's own program.
fn modal() -> PathBuf {
    let name = std::env::var_os("PIPELINE_MODAL").map_or("modal".into(), PathBuf::from);
    process::which(&name)
        .expect("pip install modal==1.6.4, and put `modal` on PATH or into PIPELINE_MODAL")
}

/// A program `modal` in a new folder.
fn script(folder: &Path, text: &str) -> PathBuf {
    let program = folder.join("modal");
    std::fs::create_dir(folder).unwrap();
    std::fs::write(&program, format!("#!/bin/sh\n{text}")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// A run that says no secret, not even a line of one.
#[track_caller]
fn discreet(ran: Ran) -> Ran {
    ran.hides(KEY)
        .hides("second-line-7d2e")
        .hides("pass'")
        .hides(TOKEN)
}

fn pairs(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, outcome): &(&str, &str)| ((*name).to_owned(), (*outcome).to_owned());
    list.iter().map(owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_is_written_once() {
    let world = World::new().await;
    let ran = world.with_values("--env dev --dry-run").go().await.ok();
    insta::assert_snapshot!(discreet(ran).stdout, @r"
    secret               dev       why
    ───────────────────  ────────  ──────────────────────────
    OPENAI_API_KEY       to write  new
    REGISTRY_AUTH        to write  new
    REPLICATE_API_TOKEN  to write  new
    LITELLM_API_BASE     left out  optional, and has no value
    REPLICATE_API_BASE   left out  optional, and has no value
    ");
    assert_eq!(world.stored().await, [""; 0]);

    let ran = world.with_values("--env dev").go().await.ok();
    let ran = discreet(ran).says(&[
        "optional secret `LITELLM_API_BASE`",
        "3 written, 2 left out",
    ]);
    insta::assert_snapshot!(ran.stdout, @r"
    secret               dev       why
    ───────────────────  ────────  ──────────────────────────
    OPENAI_API_KEY       written   new
    REGISTRY_AUTH        written   new
    REPLICATE_API_TOKEN  written   new
    LITELLM_API_BASE     left out  optional, and has no value
    REPLICATE_API_BASE   left out  optional, and has no value
    ");
    let expected = [
        "OPENAI_API_KEY: OPENAI_API_KEY",
        "REGISTRY_AUTH: REGISTRY_PASSWORD REGISTRY_USERNAME",
        "REPLICATE_API_TOKEN: REPLICATE_API_TOKEN",
    ];
    assert_eq!(world.stored().await, expected);

    // One value changes, one declaration goes, and the rest stays as it is.
    let file = "code/apps/core/registry/processors/image_palette.yaml";
    let text = world.bench.read(file);
    let text = text.replace("    - REPLICATE_API_TOKEN\n", "    - OPENAI_API_KEY\n");
    world.bench.write(file, text);
    let run = world
        .with_values("--env dev")
        .env("OPENAI_API_KEY_DEV", "sk-another");
    let ran = discreet(run.go().await.ok()).hides("sk-another");
    insta::assert_snapshot!(ran.stdout, @r"
    secret              dev       why
    ──────────────────  ────────  ──────────────────────────────────────
    OPENAI_API_KEY      written   changed, or written with another token
    REGISTRY_AUTH       kept      unchanged
    LITELLM_API_BASE    left out  optional, and has no value
    REPLICATE_API_BASE  left out  optional, and has no value
    Nobody declares these of `dev`: REPLICATE_API_TOKEN
    Delete what is not needed: modal secret delete NAME --env dev
    ");
    assert_eq!(world.report()["orphans"], json!(["REPLICATE_API_TOKEN"]));
    assert_eq!(world.stored().await, expected);
    assert!(!world.report().to_string().contains(KEY));

    let ran = world.with_values("--env dev --force").go().await.ok();
    let ran = discreet(ran).says(&["2 written, 2 left out"]);
    assert_eq!(ran.stdout.matches("forced").count(), 2, "{}", ran.stdout);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_from_a_file_a_pipe_or_one_variable() {
    let world = World::new().await;
    let values = json!({
        "OPENAI_API_KEY": KEY,
        "REPLICATE_API_TOKEN_DEV": "",
        "REPLICATE_API_TOKEN": format!("{KEY}-2"),
        "REGISTRY_AUTH": {"REGISTRY_USERNAME": "robot-user", "REGISTRY_PASSWORD": PASSWORD},
        "LITELLM_API_BASE": null,
        "github_token": "ghs-not-declared",
    });
    let written = |outcome| {
        pairs(&[
            ("LITELLM_API_BASE", "left-out"),
            ("OPENAI_API_KEY", outcome),
            ("REGISTRY_AUTH", outcome),
            ("REPLICATE_API_BASE", "left-out"),
            ("REPLICATE_API_TOKEN", outcome),
        ])
    };
    let file = world.file(&values);
    // Variables of their own names do not count then.
    let from_file = || {
        world
            .secrets("--env dev --secrets-json")
            .arg(&file)
            .env("LITELLM_API_BASE", "https://from.the.environment")
    };
    let ran = discreet(from_file().go().await.ok());
    assert!(!ran.stderr.contains("chmod"), "{}", ran.stderr);
    assert_eq!(world.outcomes(), written("written"));

    let mut run = world.secrets("--env dev --secrets-json -");
    run.command = run.command.stdin(values.to_string());
    discreet(run.go().await.ok());
    assert_eq!(world.outcomes(), written("kept"));
    let run = world
        .secrets("--env dev")
        .env("PIPELINE_SECRETS_JSON", values.to_string());
    discreet(run.go().await.ok());
    assert_eq!(world.outcomes(), written("kept"));

    // What an action passes on when nobody gave it.
    let run = world
        .with_values("--env dev")
        .env("PIPELINE_SECRETS_JSON", " ");
    discreet(run.go().await.ok());

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = discreet(from_file().go().await.ok());
    ran.says(&["warning: other users may read the secrets in", "chmod 600"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_read_is_told_without_a_value() {
    let world = World::new().await;
    let broken = format!("{{\"OPENAI_API_KEY\": \"{KEY}\"");
    let list = json!({"OPENAI_API_KEY": [KEY]}).to_string();
    for text in [&broken, &list, &format!("\"{KEY}\""), &KEY.to_owned()] {
        let run = world
            .secrets("--env dev")
            .env("PIPELINE_SECRETS_JSON", text);
        discreet(run.go().await).ended(2).one_error();
        std::fs::write(world.bench.path("values.json"), text).unwrap();
        let run = world.secrets("--env dev --secrets-json");
        let run = run.arg(world.bench.path("values.json"));
        discreet(run.go().await).ended(2).one_error();
    }
    let run = world.secrets("--env dev --secrets-json nowhere.json");
    let ran = run.go().await.ended(2).one_error();
    ran.says(&["read the secrets in `nowhere.json`"]);
    assert_eq!(world.stored().await, [""; 0]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_missing_or_unusable_is_told_before_the_first_write() {
    let world = World::new().await;
    let config = world.bench.read("pipeline.yml");
    let secrets = "  secrets:\n    names: ['{ENV}_{NAME}']\n    shared: {REGISTRY_AUTH: required, MORE: optional}\n";
    world.bench.write(
        "pipeline.yml",
        config.replace("modal:\n", &format!("modal:\n{secrets}")),
    );
    let run = world
        .with_values("--env dev")
        .env("DEV_OPENAI_API_KEY", KEY)
        .env("DEV_MORE", r#"{"A": "value-of-a", "B": ""}"#);
    let ran = discreet(run.go().await).ended(14).one_error();
    let told: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("- `"))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    - `MORE` is unusable: its key `B` is empty
    - `REGISTRY_AUTH` has no value: `DEV_REGISTRY_AUTH` not set or empty
    - `REPLICATE_API_TOKEN` has no value: `DEV_REPLICATE_API_TOKEN` not set or empty (required by image/palette@1)
    ");
    assert!(!ran.stderr.contains("value-of-a"), "{}", ran.stderr);
    assert!(!world.bench.path("secrets.json").exists());
    assert_eq!(world.stored().await, [""; 0]);

    world
        .bench
        .write("pipeline.yml", "modal: {secrets: {names: ['{ENV}']}}\n");
    let ran = world
        .with_values("--env dev")
        .go()
        .await
        .ended(2)
        .one_error();
    ran.says(&["use `modal.secrets.names` of `pipeline.yml`: `{ENV}` does not hold `{NAME}`"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_made_only_on_demand() {
    let world = World::new().await;
    let run = |words: &str| world.with_values(words).env("OPENAI_API_KEY", KEY);
    let ran = discreet(run("--env staging").go().await)
        .ended(14)
        .one_error();
    ran.says(&["`staging`", "`dev`"]);
    let ran = run("--env staging --create-environment --dry-run")
        .go()
        .await;
    discreet(ran).ended(14).one_error();
    discreet(run("--env staging --create-environment").go().await).ok();
    discreet(run("--env staging").go().await)
        .ok()
        .says(&["3 kept"]);
    assert_eq!(world.stored().await, [""; 0]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_masks_every_value_before_it_logs_anything() {
    let world = World::new().await;
    let run = world
        .with_values("--env dev --verbose")
        .env("GITHUB_ACTIONS", "true");
    let ran = run.go().await.ok();
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let masks = lines
        .iter()
        .take_while(|line| line.starts_with("::add-mask::"));
    let masks: Vec<&str> = masks.map(|line| &line["::add-mask::".len()..]).collect();
    let second = format!("{KEY}-2");
    for expected in [
        KEY,
        "pass'\"%250A%0Asecond-line-7d2e",
        "pass'\"%250A",
        "second-line-7d2e",
        "robot-user",
        second.as_str(),
        // As `repr` and JSON have it.
        r#"pass\'"%250A\nsecond-line-7d2e"#,
        r#"pass'\"%250A\nsecond-line-7d2e"#,
    ] {
        assert!(masks.contains(&expected), "{expected}: {masks:?}");
    }
    let rest = Ran {
        stderr: lines[masks.len()..].join("\n"),
        ..ran
    };
    discreet(rest).hides("robot-user").says(&["OPENAI_API_KEY"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modals_own_command_line_writes_the_same_and_sees_no_value_in_its_arguments() {
    let world = World::new().await;
    let (real, folder) = (modal(), world.bench.path("spy"));
    let spy = script(
        &folder,
        &format!(
            "for word in \"$@\"; do\n  printf '%s\\n' \"$word\" >> '{0}/words'\n  \
             [ \"$last\" = --from-json ] && stat -L -c '%a' \"$word\" >> '{0}/modes'\n  \
             last=$word\ndone\nexec '{1}' \"$@\"\n",
            folder.display(),
            real.display(),
        ),
    );
    let run = |words: &str| world.with_values(words).env("PIPELINE_MODAL", &spy);
    let ran = discreet(run("--env dev --modal-backend cli").go().await.ok());
    ran.says(&["3 written"]);
    assert_eq!(
        world.stored().await,
        [
            "OPENAI_API_KEY: OPENAI_API_KEY",
            "REGISTRY_AUTH: REGISTRY_PASSWORD REGISTRY_USERNAME",
            "REPLICATE_API_TOKEN: REPLICATE_API_TOKEN",
        ]
    );
    let words = std::fs::read_to_string(folder.join("words")).unwrap();
    assert!(
        words.contains("--from-json\n") && words.contains("REGISTRY_AUTH\n"),
        "{words}"
    );
    for secret in [KEY, "pass'", "second-line", "robot-user", TOKEN] {
        assert!(!words.contains(secret), "{words}");
    }
    let modes = std::fs::read_to_string(folder.join("modes")).unwrap();
    assert_eq!(modes, "600\n600\n600\n");
    assert_eq!(names_in(&folder), ["modal", "modes", "words"]);

    // Without its Python it tells no keys, so that nothing is known the next time.
    discreet(run("--env dev --modal-backend cli").go().await.ok()).says(&["3 written"]);
    // The client of the project knows them again after a run of its own.
    discreet(run("--env dev").go().await.ok()).says(&["3 written"]);
    discreet(run("--env dev").go().await.ok()).says(&["3 kept"]);
    // What was noted must not go out of date.
    let ran = run("--env dev --modal-backend cli --force").go().await;
    let ran = discreet(ran).ended(14).one_error();
    ran.says(&["read the record", "modal secret delete pipeline-record"]);
    discreet(run("--env dev").go().await.ok()).says(&["3 kept"]);
    // The real thing and the client see the same.
    let listed = Command::new(&real)
        .args(["secret", "list", "--env", "dev", "--json"])
        .env("MODAL_SERVER_URL", world.modal.url())
        .env("MODAL_TOKEN_ID", "ak-tests")
        .env("MODAL_TOKEN_SECRET", TOKEN)
        .run(&CancellationToken::new())
        .await
        .unwrap();
    for name in [
        "OPENAI_API_KEY",
        "REGISTRY_AUTH",
        "REPLICATE_API_TOKEN",
        RECORD_SECRET,
    ] {
        assert!(
            listed.stdout_text().contains(name),
            "{}",
            listed.stdout_text()
        );
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_modals_own_command_line_wrote_is_known_to_the_next_run() {
    let world = World::new().await;
    let cli = "--env dev --modal-backend cli";
    discreet(world.with_values("--env dev").go().await.ok()).says(&["3 written"]);
    discreet(world.with_values(cli).go().await.ok()).says(&["3 kept"]);
    let other = world
        .with_values(cli)
        .env("OPENAI_API_KEY_DEV", "sk-another");
    let ran = discreet(other.go().await.ok()).hides("sk-another");
    ran.says(&["1 written", "2 kept"]);
    // The value of the first run is not what Modal has.
    let ran = discreet(world.with_values("--env dev").go().await.ok());
    ran.says(&["1 written", "2 kept"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_tells_what_it_wrote_and_leaves_no_value_behind() {
    let world = World::new().await;
    let folder = world.bench.path("slow");
    // One of three never ends.
    let slow = script(
        &folder,
        &format!(
            "case \"$*\" in *REGISTRY_AUTH*) touch '{}/waits'; exec sleep 600 ;; esac\n\
             exec '{}' \"$@\"\n",
            folder.display(),
            modal().display(),
        ),
    );
    let words = "--env dev --modal-backend cli --verbose";
    let run = world.bench.pipeline_in_shell("secrets --json");
    let run = world.valued(world.with_token(run, words));
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&lines);
    let run = run.env("PIPELINE_MODAL", &slow);
    let ended = tokio::spawn(run.go_on(move |_, line| seen.lock().unwrap().push(line.to_owned())));
    eventually("two are written, and one waits", || {
        assert!(!ended.is_finished(), "it ended by itself");
        let lines = lines.lock().unwrap();
        let written = |name: &str| {
            let tells = |line: &String| line.contains(name) && line.ends_with("written");
            lines.iter().any(tells)
        };
        let two = written("OPENAI_API_KEY") && written("REPLICATE_API_TOKEN");
        (two && folder.join("waits").exists()).then_some(())
    })
    .await;
    let pid = lines.lock().unwrap()[0].clone();
    interrupt(&pid);
    // That no temporary file is left is checked after every run.
    let ran = discreet(ended.await.unwrap()).ended(130);
    ran.says(&["interrupted: "]);
    let expected = [
        ("LITELLM_API_BASE", "left-out"),
        ("OPENAI_API_KEY", "written"),
        ("REGISTRY_AUTH", "interrupted"),
        ("REPLICATE_API_BASE", "left-out"),
        ("REPLICATE_API_TOKEN", "written"),
    ];
    assert_eq!(world.outcomes(), pairs(&expected));
    assert_eq!(world.report()["interrupted"], true);
    world.stop().await;
}
