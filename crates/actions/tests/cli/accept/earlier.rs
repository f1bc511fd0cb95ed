//! What receipts say has passed is not run again.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use acceptance::AcceptanceReport;
use jiff::Timestamp;
use oci::Credentials;
use receipts::Store;
use receipts::keys::SigningKey;
use receipts::statement::Facts;
use registry_model::Digest;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Ran, json_file};
use crate::project::{self, file_of};
use crate::receipts::{key, public_pem};
use crate::services::{docker, forget, with_registry};

const PROCESSOR: &str = include_str!("../../../../acceptance/tests/stack/processor.sh");
const DOCKERFILE: &str = "FROM scratch\nCOPY bin/busybox /bin/busybox\nCOPY bin/busybox /bin/sh\n\
    COPY unique /unique\nRUN [\"/bin/sh\", \"-c\", \"/bin/busybox --install -s /bin || true\"]\n\
    COPY bin/processor /bin/processor\nENTRYPOINT [\"/bin/processor\"]\n";

/// `text/upper@1` with a case and a suite that notes each of its runs.
struct Proven {
    bench: Bench,
}

impl Proven {
    async fn new(host: &str) -> Self {
        let bench = Bench::new();
        project::runbook(&bench);
        std::fs::remove_file(bench.repo().join(file_of("lower"))).unwrap();
        let processor = PROCESSOR.replace("text/x@1", "text/upper@1");
        bench.write("code/bin/processor", processor);
        let mode = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bench.repo().join("code/bin/processor"), mode).unwrap();
        bench.write(&project::dockerfile_of("upper"), DOCKERFILE);
        let case = "acceptance:\n  cases:\n    - {name: plain, inputs: {do: 'true'}}\n";
        let entry = project::entry("upper", "sha256:pending") + case;
        bench.write(&file_of("upper"), entry);
        let makefile = "test-acceptance:\n\t@echo run >> ../../suite-runs\n";
        bench.write("code/Makefile", makefile);
        let build = bench.path("build.json");
        let words = format!("build --registry {host} --image-prefix ghcr.io/a/b --json");
        bench.pipeline(&words).arg(&build).go().await.ok();
        bench.pipeline("pin --from").arg(&build).go().await.ok();
        Self { bench }
    }

    fn report(&self) -> PathBuf {
        self.bench.path("acceptance.json")
    }

    /// How the stage ended, how often the suite has run by now, and what the report says.
    async fn accept(&self, words: &str) -> (Ran, usize, Value) {
        let summary = self.bench.path("summary.md");
        let _ = std::fs::remove_file(&summary);
        let run = self.bench.pipeline("accept --json").arg(self.report());
        let run = run.env("GITHUB_STEP_SUMMARY", summary);
        let ran = run.env("GITHUB_ACTIONS", "true").words(words).go().await;
        let runs = std::fs::read_to_string(self.bench.path("suite-runs"));
        let runs = runs.unwrap_or_default().lines().count();
        (ran, runs, json_file(&self.report()))
    }

    /// Stores what the last report is worth; answers with the digests of the receipts.
    async fn attest(&self, by: Option<&SigningKey>) -> Vec<String> {
        let report = json_file(&self.report());
        let report: AcceptanceReport = serde_json::from_value(report).unwrap();
        let facts = Facts {
            by: Some("octocat".to_owned()),
            ..Facts::default()
        };
        let drafts = acceptance::receipts(&report, &facts);
        let client = oci::Client::new(oci::ClientOptions {
            credentials: Credentials::Anonymous,
            ..oci::ClientOptions::default()
        });
        let store = Store::new(client.unwrap());
        let stored = store.add_many(&drafts, by, &CancellationToken::new()).await;
        let stored = stored.into_iter().map(|one| one.unwrap().manifest);
        stored.map(|manifest| manifest.digest.to_string()).collect()
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.bench.read(file);
        assert!(text.contains(from), "{text}");
        self.bench.write(file, text.replace(from, to));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passed_at_the_same_inputs_is_named_and_not_run_again() {
    with_registry(async |host| {
        let proven = Proven::new(host).await;
        let (ran, runs, report) = proven.accept("").await;
        ran.ok();
        assert_eq!((runs, &report["verdict"]), (1, &"passed".into()));
        assert_eq!(report["reduced"], false);
        let named = proven.attest(None).await;
        assert_eq!(named.len(), 2);

        let (ran, runs, report) = proven.accept("").await;
        let ran = ran.ok();
        assert_eq!((runs, &report["verdict"]), (1, &"passed".into()));
        assert_eq!(report["contract"]["state"], "accepted");
        assert_eq!(report["suite"]["state"], "accepted");
        let accepted = report["images"][0]["accepted"].as_array().unwrap();
        let told = |text: &str| {
            let mut text = text.to_owned();
            for (one, digest) in accepted.iter().zip(&named) {
                assert!(one["receipt"].as_str().unwrap().ends_with(digest), "{one}");
                let part = one["part"].as_str().unwrap();
                let digest: Digest = digest.parse().unwrap();
                text = text.replace(digest.as_str(), &format!("<{part}>"));
                text = text.replace(digest.short(), &format!("<short {part}>"));
                let time: Timestamp = one["time"].as_str().unwrap().parse().unwrap();
                let second = Timestamp::from_second(time.as_second()).unwrap();
                text = text.replace(&second.to_string(), "<time>");
            }
            text
        };
        insta::assert_snapshot!(told(&ran.stdout), @"
        processor     passed already  receipt                                                                  when                  by
        ────────────  ──────────────  ───────────────────────────────────────────────────────────────────────  ────────────────────  ───────
        text/upper@1  contract        <contract>  <time>  octocat
        text/upper@1  suite           <suite>  <time>  octocat

        contract: passed already
        stack: not configured: add a compose file with the services that the suite needs (`code/compose.yml`), or `acceptance.compose-file` in pipeline.yml
        suite: passed already with these images
        ");
        let notice = ran.stderr.lines().find(|line| line.starts_with("::notice"));
        insta::assert_snapshot!(told(notice.unwrap()), @"::notice title=Acceptance::1 of 1 processors passed already, by their receipts%0Atext/upper@1 contract: receipt <contract> of <time> by octocat%0Atext/upper@1 suite: receipt <suite> of <time> by octocat");
        let summary = std::fs::read_to_string(proven.bench.path("summary.md")).unwrap();
        let (_, section) = summary.split_once("### Acceptance").unwrap();
        insta::assert_snapshot!(told(section), @"
        : 1 of 1 processors passed already, by their receipts

        | processor | passed already | receipt | when | by |
        | --- | --- | --- | --- | --- |
        | `text/upper@1` | contract | `<short contract>` | <time> | octocat |
        | `text/upper@1` | suite | `<short suite>` | <time> | octocat |
        ");
        ran.says(&["✓ acceptance ", "1 of 1 processors passed already"]);
        // Nothing is done with the image, so that the engine need not have it.
        forget(host).await;
        proven.accept("").await.0.ok();
        let image = report["images"][0]["image"].as_str().unwrap();
        assert_eq!(docker(&["image", "ls", "--quiet", image]).await, "");
        // What did not run is worth nothing new.
        assert_eq!(proven.attest(None).await, [""; 0]);

        // Who asks for something gets it.
        let (ran, runs, report) = proven.accept("--again").await;
        ran.ok();
        assert_eq!((runs, &report["suite"]["state"]), (2, &"ran".into()));
        let (ran, _, report) = proven.accept("--case plain").await;
        let ran = ran.ok();
        assert!(ran.stdout.contains("\nreduced: "), "{ran:?}");
        assert_eq!(
            (&report["reduced"], &report["contract"]["state"]),
            (&true.into(), &"ran".into())
        );
        assert_eq!(proven.attest(None).await, [""; 0]);

        // The suite is told by its files, and the contract by its cases.
        proven.bench.write("code/tests.txt", "changed\n");
        let (ran, runs, report) = proven.accept("").await;
        ran.ok();
        assert_eq!(
            (runs, &report["contract"]["state"]),
            (3, &"accepted".into())
        );
        proven.edit(&file_of("upper"), "do: 'true'", "do: ':'");
        let (ran, runs, report) = proven.accept("").await;
        ran.ok();
        assert_eq!((runs, &report["contract"]["state"]), (4, &"ran".into()));
        proven.attest(None).await;

        // A failure undoes what passed before.
        let makefile = "test-acceptance:\n\t@echo run >> ../../suite-runs; test -e ../../good\n";
        proven.bench.write("code/Makefile", makefile);
        let (ran, runs, _) = proven.accept("").await;
        ran.ended(13);
        assert_eq!(runs, 5);
        assert_eq!(proven.attest(None).await.len(), 1);
        std::fs::write(proven.bench.path("good"), "").unwrap();
        let (ran, runs, report) = proven.accept("").await;
        ran.ok();
        assert_eq!((runs, &report["contract"]["state"]), (6, &"ran".into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_is_refused_saves_nothing() {
    with_registry(async |host| {
        let proven = Proven::new(host).await;
        proven.accept("").await.0.ok();
        project::commit_all(&proven.bench.repo()).await;
        let report = format!("accept={}", proven.report().display());
        let attest = proven.bench.pipeline("attest --from").arg(report);
        attest.go().await.ok();
        let (ran, runs, _) = proven.accept("").await;
        ran.ok().says(&["1 of 1 processors passed already"]);
        assert_eq!(runs, 1);
        proven.accept("--again").await.0.ok();
        proven.bench.write("keys/ci.pub", public_pem(1));
        proven
            .bench
            .write("pipeline.yml", "receipts: {keys: [keys/ci.pub]}\n");
        let (ran, runs, _) = proven.accept("").await;
        ran.ok();
        assert_eq!(runs, 3);
        proven.attest(Some(&key(2))).await;
        let (ran, runs, _) = proven.accept("").await;
        ran.ok();
        assert_eq!(runs, 4);
        proven.attest(Some(&key(1))).await;
        let (ran, runs, report) = proven.accept("").await;
        ran.ok().says(&["1 of 1 processors passed already"]);
        assert_eq!((runs, &report["verdict"]), (4, &"passed".into()));
    })
    .await;
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_a_warning() {
    let bench = Bench::new();
    project::runbook(&bench);
    for name in ["upper", "lower"] {
        let image = format!("127.0.0.1:9/acme/{name}@{}", project::digest('1'));
        bench.write(&file_of(name), project::entry(name, &image));
    }
    bench.write("code/Makefile", "test-acceptance:\n\t@true\n");
    // The images cannot be had either.
    let ran = bench.pipeline("accept").go().await.ended(13).one_error();
    ran.says(&[
        "warning: cannot tell what has passed already, so it runs again: ",
        "127.0.0.1:9",
        "(and 1 more)",
    ]);
    let ran = bench.pipeline("accept --again").go().await.ended(13);
    assert!(!ran.stderr.contains("passed already"), "{ran:?}");
}
