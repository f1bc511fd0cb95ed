//! Reports of stages become receipts beside the images, in the way of a job that has the key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use acceptance::{AcceptanceOptions, Sources};
use jiff::Timestamp;
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use process::{Command, which};
use receipts::statement::{Build, Facts, Kind, Outcome, Predicate, Receipt};
use receipts::verify::Verdict;
use registry_model::{LoadOptions, PinnedImage, Platform, Registry};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, Ran, Run};
use super::project::{commit_all, digest, dockerfile_of, entry, file_of, git};
use super::receipts::{Proofs, public_pem};

const ENDED: &str = "2026-03-01T12:00:00Z";

/// A repository that pins two images of a registry.
struct World {
    bench: Bench,
    proofs: Proofs,
    upper: PinnedImage,
    lower: PinnedImage,
}

/// How a report, or a folder of them, is given.
fn from(kind: &str, path: &Path) -> String {
    format!("{kind}={}", path.display())
}

fn kind_of(report: &Value) -> &'static str {
    let kinds = [
        ("built", "build"),
        ("contract", "accept"),
        ("apps", "deploy"),
    ];
    let known = kinds.iter().find(|(field, _)| report.get(field).is_some());
    known.map(|(_, kind)| *kind).unwrap()
}

fn private_pem(digit: u8) -> String {
    let key = p256::SecretKey::from_slice(&[digit; 32]).unwrap();
    key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
}

impl World {
    async fn new() -> Self {
        let (bench, proofs) = (Bench::new(), Proofs::start().await);
        let upper = proofs.image("upper", "one").await;
        let lower = proofs.image("lower", "one").await;
        for (name, image) in [("upper", &upper), ("lower", &lower)] {
            bench.write(&file_of(name), entry(name, &image.to_string()));
            bench.write(&dockerfile_of(name), "FROM scratch\n");
        }
        commit_all(&bench.repo()).await;
        let world = Self {
            bench,
            proofs,
            upper,
            lower,
        };
        world.put("key.pem", &private_pem(1));
        world.put("key.pub", &public_pem(1));
        world
    }

    /// Writes a file beside the repository.
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.bench.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn attest(&self, words: &str, reports: &[&Value]) -> Run {
        let mut run = self.bench.pipeline("attest").words(words);
        for (number, report) in reports.iter().enumerate() {
            let file = self.put(&format!("report-{number}.json"), &report.to_string());
            run = run.words("--from").arg(from(kind_of(report), &file));
        }
        run
    }

    fn signed(&self, words: &str, reports: &[&Value]) -> Run {
        let run = self.attest(words, reports).words("--key");
        run.arg(self.bench.path("key.pem"))
    }

    /// What lies beside an image, with the key that counts.
    async fn receipts(&self, image: &PinnedImage) -> Vec<Verdict> {
        let run = self
            .bench
            .pipeline("receipts --json -")
            .arg(image.to_string());
        let run = run.words("--key").arg(self.bench.path("key.pub"));
        let listed = run.go().await.ok().json();
        serde_json::from_value(listed["receipts"].clone()).unwrap()
    }

    async fn believed(&self, image: &PinnedImage) -> Vec<Receipt> {
        let all = self.receipts(image).await;
        all.iter().filter_map(Verdict::believed).cloned().collect()
    }

    /// The inputs of the suite, and of the contract of each processor, as `accept` has them.
    async fn inputs(&self) -> (String, BTreeMap<String, String>) {
        let root = self.bench.repo();
        let registry = Registry::load(&root, &LoadOptions::default()).unwrap();
        let mut options = AcceptanceOptions::new(&root);
        options.command = Some(vec!["make".to_owned(), "test-acceptance".to_owned()]);
        let sources = Sources::read(&options).unwrap();
        let sources = sources.with_cases(&registry.entries).unwrap();
        let plan = acceptance::plan(&options, &sources).unwrap();
        let images = acceptance::guard(&registry.entries, &Platform::linux_amd64()).unwrap();
        let cancel = CancellationToken::new();
        let inputs = acceptance::inputs(&plan, &images, &cancel).await.unwrap();
        let contract = inputs.contract.into_iter();
        let contract = contract.map(|(name, digest)| (name.to_string(), digest.to_string()));
        (inputs.suite.unwrap().to_string(), contract.collect())
    }

    async fn stop(self) {
        self.proofs.stop().await;
    }

    fn built(&self) -> Value {
        let built = |name: &str, image: &PinnedImage, decision: &str| {
            json!({
                "ref": format!("text/{name}@1"), "file": file_of(name), "pin-platform": null,
                "image": image, "key": "7".repeat(64), "decision": decision,
                "why": "first-build", "platforms": ["linux/amd64"], "tags": [], "seconds": 1.5,
                "size": null, "replaces": null,
            })
        };
        let built = [
            built("upper", &self.upper, "built"),
            built("lower", &self.lower, "reused"),
        ];
        json!({ "schema": 1, "ended-at": ENDED, "built": built })
    }

    fn accepted(&self) -> Value {
        let image = json!({
            "ref": "text/upper@1", "image": self.upper, "contract-inputs": null, "accepted": [],
        });
        json!({
            "schema": 1, "project": "p", "ended-at": ENDED, "reduced": false, "skipped": null,
            "images": [image],
            "contract": { "state": "not-configured", "add": "cases" },
            "stack": { "state": "not-configured", "add": "a stack" },
            "suite": {
                "state": "ran", "command": ["make", "test"], "exit": 0, "seconds": 2.0,
                "cases": null, "inputs": digest('5'),
            },
            "verdict": "passed",
        })
    }

    fn deployed(&self, environment: &str) -> Value {
        let app = |name: &str, image: &PinnedImage, verdict: &str| {
            json!({
                "ref": format!("text/{name}@1"), "app": format!("text-{name}-v1"), "image": image,
                "step": "deploy", "why": [], "deployed": "deployed", "tried": true,
                "version-before": null, "version": 3, "image-id": null, "seconds": 1.0,
                "smoke": {
                    "verdict": verdict, "seconds": 1.0, "detail": null, "hint": null, "calls": [],
                },
                "rollback": null, "error": null, "hint": null, "log": null, "live": null,
            })
        };
        let secrets = json!({
            "schema": 1, "environment": environment, "secrets": [], "warnings": [], "orphans": [],
            "interrupted": false,
        });
        let apps = [
            app("upper", &self.upper, "passed"),
            app("lower", &self.lower, "failed"),
        ];
        json!({
            "schema": 1, "ended-at": "2026-03-01T13:00:00Z", "environment": environment,
            "secrets": secrets, "apps": apps, "interrupted": false,
        })
    }
}

/// What a runner sets.
fn on_runner(run: Run) -> Run {
    run.env("GITHUB_ACTOR", "octocat")
        .env("GITHUB_SERVER_URL", "https://github.com")
        .env("GITHUB_REPOSITORY", "acme/models")
        .env("GITHUB_RUN_ID", "42")
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_become_receipts_and_the_same_ones_the_second_time() {
    let world = World::new().await;
    let reports = [&world.built(), &world.accepted(), &world.deployed("dev")];
    let run = || on_runner(world.signed("--env dev --json -", &reports));
    let first = run().go().await.ok().hides("PRIVATE").json();
    assert_eq!(first["receipts"].as_array().unwrap().len(), 4, "{first}");

    let mut receipts = world.believed(&world.upper).await;
    receipts.sort_by_key(Receipt::kind);
    let kinds: Vec<_> = receipts.iter().filter_map(Receipt::kind).collect();
    assert_eq!(kinds, [Kind::Build, Kind::Acceptance, Kind::Deployment]);
    let commit = git(&world.bench.repo(), &["rev-parse", "HEAD"]).await;
    let facts = Facts {
        by: Some("octocat".to_owned()),
        run: Some("https://github.com/acme/models/actions/runs/42".to_owned()),
        commit: Some(commit),
        ..Facts::at(ENDED.parse().unwrap())
    };
    assert_eq!(receipts[0].facts, facts);
    assert_eq!(receipts[1].facts, facts);
    let deployed = Facts {
        time: "2026-03-01T13:00:00Z".parse().ok(),
        environment: "dev".parse().ok(),
        ..facts
    };
    assert_eq!(receipts[2].facts, deployed);
    let Predicate::Build(build) = &receipts[0].predicate else {
        panic!("{receipts:?}")
    };
    let wanted = Build {
        processor: "text/upper@1".parse().ok(),
        source: Some("git+https://github.com/acme/models".to_owned()),
        input_key: digest('7').parse().ok(),
        builder: "https://github.com/org/pipeline".to_owned(),
        ..Build::default()
    };
    assert_eq!(*build, wanted);
    let lower = world.believed(&world.lower).await;
    let outcomes: Vec<_> = lower.iter().map(|it| (it.kind(), it.outcome())).collect();
    assert_eq!(outcomes, [(Some(Kind::Deployment), Some(Outcome::Failed))]);

    // With the key as a text, and with the reports in another order, two of them in a folder.
    let folder = world.bench.path("reports");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.json"), reports[0].to_string()).unwrap();
    let nothing = json!({ "schema": 1, "ended-at": ENDED, "built": [] });
    std::fs::write(folder.join("b.json"), nothing.to_string()).unwrap();
    let again = world.attest("--env dev --json -", &[reports[2], reports[1]]);
    let again = again.words("--from").arg(from("build", &folder));
    let again = on_runner(again).env("SIGNING_KEY", private_pem(1));
    let again = again.go().await.ok().json();
    let manifests = |report: &Value| {
        let all = report["receipts"].as_array().unwrap().iter();
        let mut all: Vec<_> = all.map(|one| one["manifest"].to_string()).collect();
        all.sort();
        all
    };
    assert_eq!(manifests(&again), manifests(&first));
    assert_eq!(world.receipts(&world.upper).await.len(), 3);
    assert_eq!(world.receipts(&world.lower).await.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_stores_nothing_and_receipts_can_end() {
    let world = World::new().await;
    let built = world.built();
    let ran = world.signed("--dry-run", &[&built]).go().await.ok();
    assert!(ran.stdout.contains("to store"), "{}", ran.stdout);
    assert_eq!(world.receipts(&world.upper).await, []);

    let run = world.signed("--expires 36500d", &[&built, &built]);
    run.env("USER", "ann").go().await.ok();
    let receipts = world.believed(&world.upper).await;
    let [receipt] = &receipts[..] else {
        panic!("{receipts:?}")
    };
    let ends: Timestamp = "2126-02-05T12:00:00Z".parse().unwrap();
    assert_eq!(receipt.facts.expires, Some(ends));
    assert_eq!(receipt.facts.by.as_deref(), Some("ann"));
    assert_eq!(receipt.facts.run, None);

    // Reports that prove nothing are no mistake.
    let nothing = json!({ "schema": 1, "ended-at": ENDED, "built": [] });
    let ran = world.signed("", &[&nothing]).go().await.ok();
    assert!(ran.stdout.contains("no receipts"), "{}", ran.stdout);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_report_may_not_say_stores_nothing_at_all() {
    let world = World::new().await;
    let elsewhere = format!("ghcr.io/evil/upper@{}", digest('1'));
    let unpinned = format!("{}@{}", world.upper.repository, digest('1'));
    let built = |field: &str, value: &str| {
        let mut report = world.built();
        report["built"][0][field] = value.into();
        report
    };
    let deployed = |field: &str, value: Value| {
        let mut report = world.deployed("dev");
        report["apps"][0][field] = value;
        report
    };
    let mut accepted = world.accepted();
    accepted["images"][0]["image"] = unpinned.clone().into();
    let mut future = world.built();
    future["ended-at"] = "2199-01-01T00:00:00Z".into();
    let pinned = "no registry file here pins it";
    let cases = [
        (
            built("image", &elsewhere),
            "images of `text/upper@1` do not go there",
        ),
        (
            built("image", &world.lower.to_string()),
            "images of `text/upper@1` do not go there",
        ),
        (
            built("ref", "text/other@1"),
            "no registry file here has `text/other@1`",
        ),
        (accepted, pinned),
        (deployed("image", unpinned.clone().into()), pinned),
        (
            deployed("image", json!(world.lower)),
            "it is not pinned for `text-upper-v1`",
        ),
        (world.deployed("main"), "`main` is not given with --env"),
        (future, "it says that it ended in the future"),
    ];
    let good = world.built();
    for (report, why) in &cases {
        let ran = world.signed("--env dev", &[&good, report]).go().await;
        ran.ended(2)
            .one_error()
            .says(&[why, "nothing was stored", "hint: "]);
    }
    for image in [&world.upper, &world.lower] {
        assert_eq!(world.receipts(image).await, []);
    }

    // An image that is not pinned yet goes where its processor's images go.
    world
        .bench
        .write(&file_of("upper"), entry("upper", "sha256:pending"));
    let place = "ghcr.io/acme/models/text-upper";
    let first = built("image", &format!("{place}@{}", digest('1')));
    let ran = world.signed("--dry-run", &[&first]).go().await;
    ran.ended(2)
        .says(&["images of `text/upper@1` do not go there"]);
    let ran = world.signed("--dry-run", &[&first]);
    let ran = ran.env("PIPELINE_IMAGE_PREFIX", "ghcr.io/acme/models");
    ran.go().await.ok();

    // Where somebody vouches for the place, it may go there; that it is not there is another thing.
    let ran = world.signed(
        "--dry-run --allow-repository ghcr.io/evil/upper",
        &[&cases[0].0],
    );
    ran.go().await.ok();
    // What moves a cursor does not reach the terminal.
    let odd = deployed("app", "text-upper-v1\u{1b}[2J".into());
    let ran = world.signed("--env dev", &[&odd]).go().await.ended(2);
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    // What a statement may not hold is refused on the way to the registry.
    world
        .bench
        .write(&file_of("upper"), entry("upper", &world.upper.to_string()));
    let good = world.deployed("dev");
    let ran = world.signed("--env dev", &[&good]);
    let ran = ran.env("GITHUB_ACTOR", "octo\u{1b}[2Jcat").go().await;
    let ran = ran.ended(1).one_error();
    let ran = ran.says(&["store 2 of 2 receipts", "a text has control characters"]);
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    for image in [&world.upper, &world.lower] {
        assert_eq!(world.receipts(image).await, []);
    }
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_report_is_told() {
    let bench = Bench::new();
    let entry = entry("upper", "sha256:pending");
    bench.write(&file_of("upper"), entry);
    bench.write(&dockerfile_of("upper"), "FROM scratch\n");
    let attest = |text: &str| {
        let file = bench.path("report.json");
        std::fs::write(&file, text).unwrap();
        bench.pipeline("attest --from").arg(from("build", &file))
    };
    let whole = json!({ "schema": 1, "ended-at": ENDED, "built": [] });
    let with = |field: &str, value: Value| {
        let mut report = whole.clone();
        report[field] = value;
        report.to_string()
    };
    let cases = [
        ("no JSON".to_owned(), "expected"),
        ("[]".to_owned(), "its `schema` is not 1"),
        (
            json!({ "schema": 1, "items": [] }).to_string(),
            "missing field `ended-at`",
        ),
        (with("moves", json!([])), "`moves` is no field of it"),
        (with("schema", json!(2)), "its `schema` is not 1"),
        (with("more", json!(2)), "`more` is no field of it"),
        (
            with("ended-at", json!("soon")),
            "as one of `pipeline build`",
        ),
    ];
    for (text, why) in &cases {
        let ran = attest(text).go().await.ended(2).one_error();
        ran.says(&["report.json", why, "hint: "]);
    }
    let ran = bench.pipeline("attest --from build=nowhere.json");
    let ran = ran.go().await.ended(2).one_error();
    ran.says(&["nowhere.json"]);
    for bad in [
        "nowhere.json",
        "built=nowhere.json",
        "=nowhere.json",
        "build=",
    ] {
        let ran = bench.pipeline("attest --from").arg(bad).go().await.ended(2);
        ran.says(&[bad, "`KIND=FILE`", "`accept`"]);
    }
}

/// The job of one stage must not speak for another, whatever it hands on.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_counts_only_as_what_it_is_named() {
    let world = World::new().await;
    let folder = world.bench.path("handed-on");
    std::fs::create_dir(&folder).unwrap();
    let reports = [world.built(), world.accepted(), world.deployed("dev")];
    for report in &reports {
        let file = folder.join("report.json");
        std::fs::write(&file, report.to_string()).unwrap();
        for kind in ["build", "accept", "deploy", "promote"] {
            for path in [&file, &folder] {
                let run = world.attest("--env dev --dry-run --from", &[]);
                let ran = run.arg(from(kind, path)).go().await;
                if kind == kind_of(report) {
                    ran.ok();
                    continue;
                }
                let named = format!("as one of `pipeline {kind}`: ");
                let ran = ran.ended(2).one_error();
                ran.says(&["report.json", &named, "hint: ", "`--from accept=FILE`"]);
            }
        }
    }
    world.stop().await;
}

/// `inputs` are for what may be left out: a report must not say so of what never ran.
#[tokio::test(flavor = "multi_thread")]
async fn inputs_are_those_of_the_commit_or_none() {
    let world = World::new().await;
    for (name, image) in [("upper", &world.upper), ("lower", &world.lower)] {
        let case = format!("acceptance:\n  cases: [{{name: plain, inputs: {{do: {name}}}}}]\n");
        let entry = entry(name, &image.to_string()) + &case;
        world.bench.write(&file_of(name), entry);
    }
    let config = "acceptance: {command: [make, test-acceptance]}\n";
    world.bench.write("pipeline.yml", config);
    let (suite, contract) = world.inputs().await;
    let other = contract["text/lower@1"].clone();
    let mine = contract["text/upper@1"].clone();
    assert_ne!(mine, other);

    let mut minute = 0;
    let mut said = async |suite: &str, contract: &str| {
        minute += 1;
        let mut report = world.accepted();
        report["ended-at"] = format!("2026-03-01T12:{minute:02}:00Z").into();
        report["images"][0]["contract-inputs"] = contract.into();
        report["suite"]["inputs"] = suite.into();
        report["contract"] = json!({ "state": "ran", "seconds": 1.0, "cases": [{
            "ref": "text/upper@1", "name": "plain", "file": "a.yaml", "line": 3,
            "image": world.upper, "mode": "mock", "runs": 2, "wall-seconds": 0.1,
            "peak-memory-bytes": null, "output-bytes": 0, "cost-units": null, "artifacts": [],
            "violations": [], "log": [],
        }]});
        let ran = world.signed("", &[&report]).go().await.ok();
        let time: Timestamp = report["ended-at"].as_str().unwrap().parse().unwrap();
        let mut inputs = Vec::new();
        for receipt in world.believed(&world.upper).await {
            if receipt.facts.time == Some(time)
                && let Predicate::Acceptance(acceptance) = receipt.predicate
            {
                assert_eq!(acceptance.outcome, Outcome::Passed);
                inputs.push((acceptance.suite, acceptance.inputs.map(|it| it.to_string())));
            }
        }
        inputs.sort();
        (inputs, ran.stderr)
    };
    let receipts = |contract: Option<&String>, suite: Option<&String>| {
        vec![
            ("contract".to_owned(), contract.cloned()),
            ("suite".to_owned(), suite.cloned()),
        ]
    };
    let (inputs, told) = said(&suite, &mine).await;
    assert_eq!(inputs, receipts(Some(&mine), Some(&suite)));
    assert!(!told.contains("inputs"), "{told}");

    let invented = digest('5');
    for (inputs, part) in [
        (said(&invented, &mine).await, "suite"),
        // As if the other processor had been tested; and the suite as a contract.
        (said(&suite, &other).await, "contract"),
        (said(&suite, &suite).await, "contract"),
    ] {
        let (inputs, told) = inputs;
        let (left, taken) = match part {
            "suite" => (Some(&mine), None),
            _ => (None, Some(&suite)),
        };
        assert_eq!(inputs, receipts(left, taken));
        let line = format!("warning: no later run will leave out the {part} for these receipts");
        assert!(told.contains(&line), "{told}");
        assert!(told.contains(world.upper.digest.as_str()), "{told}");
    }

    // What the commit has since is another thing.
    world.bench.write("tests/new.sh", "false\n");
    let (inputs, _) = said(&suite, &mine).await;
    assert_eq!(inputs, receipts(Some(&mine), None));
    // And where the commit can have no suite, nothing is known.
    world
        .bench
        .write("pipeline.yml", "acceptance: {compose-file: missing.yml}\n");
    let (inputs, told) = said(&suite, &mine).await;
    assert_eq!(inputs, receipts(None, None));
    assert!(
        told.contains("cannot tell what this commit's acceptance depends on"),
        "{told}"
    );
    assert!(told.contains("missing.yml"), "{told}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_keeps_nothing_else_back() {
    let world = World::new().await;
    let gone = format!("{}@{}", world.lower.repository, digest('2'));
    world.bench.write(&file_of("lower"), entry("lower", &gone));
    let mut report = world.deployed("dev");
    report["apps"][1]["image"] = gone.clone().into();
    let ran = world.signed("--env dev --json -", &[&report]).go().await;
    let ran = ran
        .ended(1)
        .one_error()
        .says(&["store 1 of 2 receipts", &gone]);
    let told = ran.json();
    assert!(told["receipts"][0]["manifest"].is_string(), "{told}");
    assert!(told["receipts"][1]["error"].is_string(), "{told}");
    assert_eq!(world.believed(&world.upper).await.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_refuses_is_told_with_its_own_code() {
    let refusing = axum::Router::new().fallback(async || axum::http::StatusCode::FORBIDDEN);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    let serving = tokio::spawn(async { axum::serve(listener, refusing).await });
    let world = World::new().await;
    let forbidden = format!("{host}/acme/lower@{}", digest('2'));
    world
        .bench
        .write(&file_of("lower"), entry("lower", &forbidden));
    let mut report = world.deployed("dev");
    report["apps"][1]["image"] = forbidden.clone().into();
    let ran = world.signed("--env dev", &[&report]).go().await;
    ran.ended(18)
        .one_error()
        .says(&["store 1 of 2 receipts", &forbidden, "hint: "]);
    assert_eq!(world.believed(&world.upper).await.len(), 1);
    serving.abort();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_never_shown_and_a_wrong_one_is_told() {
    let world = World::new().await;
    let built = world.built();
    let secret = private_pem(1).lines().nth(1).unwrap().to_owned();
    let hidden = |ran: Ran| ran.hides(&secret).hides("BEGIN");
    let run = world.attest("--verbose --json -", &[&built]);
    hidden(run.env("SIGNING_KEY", private_pem(1)).go().await.ok());
    let cut = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n");
    let run = world.attest("--verbose", &[&built]);
    let ran = run.env("SIGNING_KEY", cut).go().await.ended(2).one_error();
    hidden(ran).says(&["read the key", "hint: "]);
    let run = world.attest("--key nowhere.pem", &[&built]);
    let ran = run.go().await.ended(2).one_error();
    ran.says(&["nowhere.pem"]);

    // What nobody will believe is stored all the same, with a word about it.
    world.bench.write("ci.pub", public_pem(2));
    world
        .bench
        .write("pipeline.yml", "receipts: {keys: [ci.pub]}\n");
    let ran = world.signed("", &[&built]).go().await.ok();
    ran.says(&["is none of `receipts.keys`"]);
    let ran = world.attest("", &[&built]).go().await.ok();
    ran.says(&["the receipts are not signed"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cosign_verifies_what_was_attested() {
    let cosign = which("cosign")
        .expect("this test needs cosign: cargo xtask setup, or apt-get install cosign");
    let world = World::new().await;
    let run = async |args: &[&str]| {
        let command = Command::new(&cosign).args(args);
        let command = command
            .current_dir(world.bench.path("home"))
            .env("HOME", world.bench.path("home"))
            .env("COSIGN_PASSWORD", "open");
        let output = command.run(&CancellationToken::new()).await;
        output
            .unwrap_or_else(|error| panic!("{error}"))
            .stdout_text()
    };
    run(&["generate-key-pair"]).await;
    let attest = |password: &str| {
        let attest = world.attest("--key ../home/cosign.key", &[&world.accepted()]);
        attest.env("COSIGN_PASSWORD", password)
    };
    let ran = attest("wrong").go().await.ended(2).one_error();
    ran.says(&["the password does not open it", "hint: "]);
    attest("open").go().await.ok();
    let image = world.upper.to_string();
    let printed = run(&[
        "verify-attestation",
        "--insecure-ignore-tlog",
        "--key",
        "cosign.pub",
        "--type",
        "https://in-toto.io/attestation/test-result/v0.1",
        &image,
    ])
    .await;
    assert!(printed.contains("\"payload\""), "{printed}");
    world.stop().await;
}
