//! `pipeline status`, with git, the embedded registry and the embedded Modal.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use receipts::statement::Outcome;
use registry_model::PinnedImage;
use rehearsal::modal::{EmbeddedModal, ModalOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, Run, interrupt, is_gone, json_file};
use super::project::{commit_all, dockerfile_of, entry, file_of, git};
use super::receipts::{Proofs, accepted, deployed, public_pem};

const TOKEN: &str = "as-tests-0123456789";

/// `dev`, `staging` and `main` with `text/upper@1`, which has a newer image in `dev` than in the
/// others, and `text/lower@1`, which is pending in `dev` and nowhere else.
struct World {
    bench: Bench,
    proofs: Proofs,
    new: PinnedImage,
    old: PinnedImage,
}

impl World {
    async fn new() -> Self {
        let (bench, proofs) = (Bench::new(), Proofs::start().await);
        let old = proofs.image("upper", "old").await;
        let new = proofs.image("upper", "new").await;
        let world = Self {
            bench,
            proofs,
            new,
            old,
        };
        for name in ["upper", "lower"] {
            world.bench.write(&dockerfile_of(name), "FROM scratch\n");
        }
        world.pin(&world.old);
        commit_all(&world.repo()).await;
        for branch in ["staging", "main"] {
            git(&world.repo(), &["branch", branch]).await;
        }
        world.pin(&world.new);
        let pending = entry("lower", "sha256:pending");
        world.bench.write(&file_of("lower"), pending);
        world.commit("newer").await;
        world
    }

    fn repo(&self) -> std::path::PathBuf {
        self.bench.repo()
    }

    fn pin(&self, image: &PinnedImage) {
        let text = entry("upper", &image.to_string());
        self.bench.write(&file_of("upper"), text);
    }

    async fn commit(&self, title: &str) {
        git(&self.repo(), &["add", "--all"]).await;
        git(&self.repo(), &["commit", "--quiet", "-m", title]).await;
    }

    /// All that the default rules ask for before it leaves `environment`.
    async fn prove(&self, image: &PinnedImage, environment: &str) {
        let receipts = [
            accepted(image, Outcome::Passed),
            deployed(image, environment),
        ];
        for receipt in receipts {
            self.proofs.add(image, &receipt, None).await;
        }
    }

    fn status(&self, words: &str) -> Run {
        let run = self.bench.pipeline("status --json");
        run.arg(self.bench.path("status.json")).words(words)
    }

    fn report(&self) -> serde_json::Value {
        json_file(&self.bench.path("status.json"))
    }

    /// What was printed, without what differs from run to run.
    fn plain(&self, text: &str) -> String {
        let cells = &self.report()["processors"][1]["cells"];
        let day = cells[0]["pinned-at"].as_str().unwrap()[..10].to_owned();
        let host = self.new.repository.host();
        text.replace(self.new.digest.short(), "NEWNEWNEWNEW")
            .replace(self.old.digest.short(), "OLDOLDOLDOLD")
            .replace(&day, "2026-03-01")
            .replace(host, "registry")
    }
}

fn asking(run: Run, modal: &EmbeddedModal) -> Run {
    run.env("MODAL_SERVER_URL", modal.url())
        .env("MODAL_TOKEN_ID", "ak-tests")
        .env("MODAL_TOKEN_SECRET", TOKEN)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_and_proven_is_told_without_modal() {
    let world = World::new().await;
    world.prove(&world.old, "staging").await;
    let ran = world.status("--offline-modal").go().await.ok();
    insta::assert_snapshot!(world.plain(&ran.stdout), @"
    processor              pinned        since       live  proven  but
    ────────────  ───────  ────────────  ──────────  ────  ──────  ───────────────────────────────────────────────────────────────────────────────────────
    text/lower@1  dev      pending                   ?     –
                  staging  –                         ?     –
                  main     –                         ?     –
    text/upper@1  dev      NEWNEWNEWNEW  2026-03-01  ?     0 of 2  no receipt of acceptance (NEWNEWNEWNEW); no receipt of deployment in dev (NEWNEWNEWNEW)
                  staging  OLDOLDOLDOLD  2026-03-01  ?     2 of 2
                  main     OLDOLDOLDOLD  2026-03-01  ?     1 of 2  no receipt of deployment in main
    live: not asked, as --offline-modal says
    ");
    let report = world.report();
    assert_eq!(report["schema"], 1);
    let cell = &report["processors"][1]["cells"][0];
    assert_eq!(cell["pinned"], world.new.to_string());
    assert_eq!(cell["live"]["state"], "unknown");
    let head = git(&world.repo(), &["rev-parse", "dev"]).await;
    assert_eq!(cell["commit"], head);
    assert_eq!(report["timeline"].as_array().unwrap().len(), 4);
    let old = &report["images"][world.old.digest.as_str()];
    assert_eq!(old["receipts"].as_array().unwrap().len(), 2);

    // What is new becomes proven, and may go on.
    world.prove(&world.new, "dev").await;
    world.status("--offline-modal").go().await.ok();
    let cell = &world.report()["processors"][1]["cells"][0];
    assert_eq!(cell["why-not"], serde_json::json!([]));

    let narrow = "--offline-modal --env staging,main --processors text/upper";
    let ran = world.status(narrow).go().await.ok();
    assert!(!ran.stdout.contains("lower"), "{}", ran.stdout);
    assert_eq!(
        world.report()["environments"],
        serde_json::json!(["staging", "main"])
    );
    world.proofs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_claimed_to_be_well() {
    let world = World::new().await;
    let ran = world.status("").go().await.ended(2).one_error();
    assert!(
        ran.stdout.contains("live: not asked: failed to "),
        "{}",
        ran.stdout
    );
    ran.says(&["MODAL_TOKEN_ID", "and not everything could be asked"]);
    let notices = world.report()["notices"].to_string();
    assert!(notices.contains("live: not asked"), "{notices}");
    // A server that does not answer as Modal does.
    let run = world
        .status("")
        .env("MODAL_SERVER_URL", "http://127.0.0.1:9");
    let run = run.env("MODAL_TOKEN_ID", "ak-tests");
    let ran = run.env("MODAL_TOKEN_SECRET", TOKEN).go().await;
    let ran = ran.ended(14).one_error().hides(TOKEN);
    assert!(ran.stdout.contains("text/upper@1"), "{}", ran.stdout);
    world.proofs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_leaves_the_rest() {
    let world = World::new().await;
    let host = world.new.repository.host().to_owned();
    world.proofs.stop().await;
    let world = World {
        proofs: Proofs::start().await,
        ..world
    };
    let ran = world.status("--offline-modal").go().await;
    assert_ne!(ran.code, 0);
    let ran = ran.one_error();
    for words in [
        "proven: not known of 2 of 2 images",
        "text/upper@1  dev",
        "?",
    ] {
        assert!(ran.stdout.contains(words), "no `{words}` in {}", ran.stdout);
    }
    ran.says(&[&host]);
    let proof = &world.report()["processors"][1]["cells"][0]["proofs"][0];
    assert_eq!(proof["state"], "unknown");
    world.proofs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_told_and_ends_with_17() {
    let world = World::new().await;
    let options = ModalOptions {
        environments: ["dev", "staging", "main"]
            .map(|it| it.parse().unwrap())
            .to_vec(),
        ..ModalOptions::default()
    };
    let modal = EmbeddedModal::start(options, &CancellationToken::new())
        .await
        .unwrap();
    let summary = world.bench.path("summary.md");
    let run = asking(world.status(""), &modal).env("GITHUB_STEP_SUMMARY", &summary);
    let ran = run.go().await.ended(17).one_error().hides(TOKEN);
    let ran = ran.says(&[
        "text/upper@1 in main is missing: ",
        "hint: `pipeline audit`",
    ]);
    insta::assert_snapshot!(world.plain(&ran.stdout), @"
    processor              pinned        since       live     proven  but
    ────────────  ───────  ────────────  ──────────  ───────  ──────  ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    text/lower@1  dev      pending                   nothing  –
                  staging  –                         nothing  –
                  main     –                         nothing  –
    text/upper@1  dev      NEWNEWNEWNEW  2026-03-01  nothing  0 of 2  missing: it is not deployed; no receipt of acceptance (NEWNEWNEWNEW); no receipt of deployment in dev (NEWNEWNEWNEW)
                  staging  OLDOLDOLDOLD  2026-03-01  nothing  0 of 2  missing: it is not deployed; no receipt of acceptance; no receipt of deployment in staging
                  main     OLDOLDOLDOLD  2026-03-01  nothing  0 of 2  missing: it is not deployed; no receipt of acceptance; no receipt of deployment in main
    ");
    let summary = std::fs::read_to_string(summary).unwrap();
    insta::assert_snapshot!(world.plain(&summary), @r#"
    ### Where it stands

    | processor | digest | built | accepted | dev | staging | main |
    | --- | --- | --- | --- | --- | --- | --- |
    | `text/lower@1` | `no digest yet` | – | – | – pins nothing | – pins nothing | – pins nothing |
    | `text/upper@1` | `NEWNEWNEWNEW` | ✓ | – | ✗ missing: it is not deployed | – has OLDOLDOLDOLD | – has OLDOLDOLDOLD |

    ```mermaid
    flowchart LR
        r0["text/lower@1<br/>no digest yet"] --> r0s0["built –"]:::later --> r0s1["accepted –"]:::later --> r0s2["dev –<br/>pins nothing"]:::later --> r0s3["staging –<br/>pins nothing"]:::later --> r0s4["main –<br/>pins nothing"]:::later
        r1["text/upper@1<br/>NEWNEWNEWNEW"] --> r1s0["built ✓"]:::yes --> r1s1["accepted –"]:::later --> r1s2["dev ✗<br/>missing: it is not deployed"]:::no --> r1s3["staging –<br/>has OLDOLDOLDOLD"]:::later --> r1s4["main –<br/>has OLDOLDOLDOLD"]:::later
        classDef yes stroke:#1a7f37,stroke-width:2px
        classDef here stroke:#0969da,stroke-width:2px
        classDef no stroke:#cf222e,stroke-width:3px
        classDef later stroke:#8c959f,stroke-dasharray:4
        classDef unknown stroke:#8c959f,stroke-dasharray:1
    ```

    ✓ yes · ● pinned · ✗ failed · – not yet · ? not asked
    "#);
    modal.stop().await;
    world.proofs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_shows_where_its_images_stand_in_the_summary_of_its_job() {
    let world = World::new().await;
    world.prove(&world.new, "dev").await;
    git(&world.repo(), &["branch", "--delete", "--force", "main"]).await;
    let summary = world.bench.path("summary.md");
    let words = "plan --offline --processors text/upper";
    let run = world
        .bench
        .pipeline(words)
        .env("GITHUB_STEP_SUMMARY", &summary);
    run.go().await.ok();
    let text = std::fs::read_to_string(&summary).unwrap();
    let (_, text) = text.split_once("### Where it stands").unwrap();
    let host = world.new.repository.host();
    let text = text
        .trim_start()
        .replace(world.new.digest.short(), "NEWNEWNEWNEW")
        .replace(world.old.digest.short(), "OLDOLDOLDOLD")
        .replace(host, "registry");
    insta::assert_snapshot!(text, @r#"
    | processor | digest | built | accepted | dev | staging | main |
    | --- | --- | --- | --- | --- | --- | --- |
    | `text/upper@1` | `no digest yet` | – to build | – | – has NEWNEWNEWNEW | – has OLDOLDOLDOLD | ? no such branch here |

    ```mermaid
    flowchart LR
        r0["text/upper@1<br/>no digest yet"] --> r0s0["built –<br/>to build"]:::later --> r0s1["accepted –"]:::later --> r0s2["dev –<br/>has NEWNEWNEWNEW"]:::later --> r0s3["staging –<br/>has OLDOLDOLDOLD"]:::later --> r0s4["main ?<br/>no such branch here"]:::unknown
        classDef yes stroke:#1a7f37,stroke-width:2px
        classDef here stroke:#0969da,stroke-width:2px
        classDef no stroke:#cf222e,stroke-width:3px
        classDef later stroke:#8c959f,stroke-dasharray:4
        classDef unknown stroke:#8c959f,stroke-dasharray:1
    ```

    ✓ yes · ● pinned · ✗ failed · – not yet · ? not asked
    "#);
    world.proofs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_and_keys_are_those_of_the_environment_that_it_goes_to() {
    let world = World::new().await;
    world.prove(&world.new, "dev").await;
    let rules = "promotion: {require: [acceptance]}\nreceipts: {keys: [ci.pub]}\n";
    let switch = async |branch: &str| {
        git(&world.repo(), &["checkout", "--quiet", branch]).await;
    };
    switch("staging").await;
    world.bench.write("pipeline.yml", rules);
    world.bench.write("ci.pub", public_pem(1));
    world.commit("rules").await;
    switch("dev").await;
    let ran = world.status("--offline-modal").go().await.ok();
    let why = "the receipt of acceptance is refused: unsigned";
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
    let cells = &world.report()["processors"][1]["cells"];
    let proofs = cells[0]["proofs"].as_array().unwrap();
    assert_eq!(proofs.len(), 1);
    // `main` has its own, which are the usual ones.
    assert_eq!(cells[1]["proofs"].as_array().unwrap().len(), 2);
    let signed = accepted(&world.new, Outcome::Passed);
    world.proofs.add(&world.new, &signed, Some(1)).await;
    world.status("--offline-modal").go().await.ok();
    let cell = world.report()["processors"][1]["cells"][0].clone();
    assert_eq!(cell["why-not"], serde_json::json!([]));
    // Nothing goes from `dev` to `main` at once.
    world.pin(&world.old);
    world.commit("back").await;
    let narrow = "--offline-modal --env dev,main";
    world.status(narrow).go().await.ok();
    let cell = world.report()["processors"][1]["cells"][0].clone();
    assert_eq!(cell["why-not"], serde_json::json!([]));
    world.proofs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let world = World::new().await;
    let ran = world.status("--env prod").go().await.ended(2).one_error();
    ran.says(&["`prod`", "pipeline.yml has dev, staging, main"]);
    let ran = world.status("--processors text/uper").go().await;
    ran.ended(2).one_error().says(&["did you mean `text/upper"]);
    git(&world.repo(), &["branch", "--delete", "--force", "main"]).await;
    let ran = world
        .status("--offline-modal")
        .go()
        .await
        .ended(2)
        .one_error();
    ran.says(&["find branch `main`", "git fetch origin main"]);
    assert!(!world.bench.path("status.json").exists());
    world.proofs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_it_and_leaves_nothing() {
    let world = World::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let run = world.bench.pipeline_in_shell("status --json");
    let run = run.arg(world.bench.path("status.json"));
    let run = run
        .env("MODAL_SERVER_URL", url)
        .env("MODAL_TOKEN_ID", "ak-tests");
    let number = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&number);
    let run = run.env("MODAL_TOKEN_SECRET", TOKEN).go_on(move |_, line| {
        let mut number = seen.lock().unwrap();
        if number.is_empty() {
            number.push_str(line);
        }
    });
    let asked = async {
        let asked = tokio::time::timeout(Duration::from_secs(60), silent.accept()).await;
        interrupt(&number.lock().unwrap());
        asked.unwrap().unwrap()
    };
    let (ran, _asked) = tokio::join!(run, asked);
    ran.ended(130);
    assert!(is_gone(&number.lock().unwrap()));
    assert!(!world.bench.path("status.json").exists());
    world.proofs.stop().await;
}
