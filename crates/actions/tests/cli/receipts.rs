//! Receipts beside images of the embedded registry, and the command that lists them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oci::{Artifact, Credentials};
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use receipts::Store;
use receipts::dsse::Envelope;
use receipts::keys::SigningKey;
use receipts::statement::{
    Acceptance, Deployment, Facts, Other, Outcome, Predicate, Receipt, Smoke as Called,
};
use receipts::store::{ARTIFACT_TYPE, MEDIA_TYPE};
use registry_model::PinnedImage;
use rehearsal::registry::{EmbeddedRegistry, RegistryOptions};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::bench::Bench;
use super::project::digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Of `{}`.
const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// A private key made of one digit.
pub(crate) fn key(digit: u8) -> SigningKey {
    let key = p256::SecretKey::from_slice(&[digit; 32]).unwrap();
    let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
    SigningKey::from_pem(&pem.into(), None).unwrap()
}

/// The public half of it.
pub(crate) fn public_pem(digit: u8) -> String {
    let key = p256::SecretKey::from_slice(&[digit; 32]).unwrap();
    key.public_key().to_public_key_pem(LineEnding::LF).unwrap()
}

pub(crate) fn accepted(image: &PinnedImage, outcome: Outcome) -> Receipt {
    let predicate = Predicate::Acceptance(Acceptance {
        outcome,
        suite: "suite".to_owned(),
        inputs: None,
        report: None,
        passed: vec![],
        warned: vec![],
        failed: vec![],
    });
    let facts = Facts {
        by: Some("octocat".to_owned()),
        ..Facts::at(Timestamp::now())
    };
    Receipt::about(image, facts, predicate)
}

pub(crate) fn deployed(image: &PinnedImage, environment: &str) -> Receipt {
    let predicate = Predicate::Deployment(Deployment {
        outcome: Outcome::Passed,
        app: "app".to_owned(),
        version: Some(1),
        smoke: Called::Passed,
    });
    let facts = Facts {
        environment: Some(environment.parse().unwrap()),
        ..Facts::at(Timestamp::now())
    };
    Receipt::about(image, facts, predicate)
}

/// A registry with images that hold nothing, and what is attached to them.
pub(crate) struct Proofs {
    registry: EmbeddedRegistry,
    http: reqwest::Client,
    client: oci::Client,
}

impl Proofs {
    pub(crate) async fn start() -> Self {
        let cancel = CancellationToken::new();
        let options = RegistryOptions::default();
        let registry = EmbeddedRegistry::start(&options, &cancel).await.unwrap();
        let options = oci::ClientOptions {
            credentials: Credentials::Anonymous,
            ..oci::ClientOptions::default()
        };
        Self {
            registry,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            client: oci::Client::new(options).unwrap(),
        }
    }

    /// Another image in this repository; the same for the same `mark`.
    pub(crate) async fn image(&self, name: &str, mark: &str) -> PinnedImage {
        let host = self.registry.host();
        let url = |path: &str| format!("http://{host}/v2/acme/{name}/{path}");
        let opened = self.http.post(url("blobs/uploads/")).body("").send().await;
        let opened = opened.unwrap().error_for_status().unwrap();
        let session = opened.headers()["location"].to_str().unwrap();
        let mut session: reqwest::Url = session.parse().unwrap();
        session.query_pairs_mut().append_pair("digest", EMPTY);
        let put = self.http.put(session).body("{}").send().await.unwrap();
        put.error_for_status().unwrap();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": EMPTY, "size": 2,
            },
            "annotations": { "name": name, "mark": mark },
        });
        let put = self.http.put(url(&format!("manifests/{mark}")));
        let put = put.header("content-type", MANIFEST);
        let put = put.body(manifest.to_string()).send().await.unwrap();
        let put = put.error_for_status().unwrap();
        let digest = put.headers()["docker-content-digest"].to_str().unwrap();
        format!("{host}/acme/{name}@{digest}").parse().unwrap()
    }

    pub(crate) async fn add(&self, image: &PinnedImage, receipt: &Receipt, by: Option<u8>) {
        let store = Store::new(self.client.clone());
        let key = by.map(key);
        store
            .add(image, receipt, key.as_ref(), &CancellationToken::new())
            .await
            .unwrap();
    }

    /// Puts an envelope beside an image that it need not be about.
    pub(crate) async fn plant(&self, image: &PinnedImage, envelope: &Envelope) {
        let artifact = Artifact {
            artifact_type: ARTIFACT_TYPE.to_owned(),
            media_type: MEDIA_TYPE.to_owned(),
            content: envelope.to_json().into_bytes(),
            annotations: BTreeMap::new(),
        };
        self.client.attach(image, &artifact).await.unwrap();
    }

    /// Puts a receipt only where cosign looks.
    async fn add_for_cosign(&self, image: &PinnedImage, receipt: &Receipt, by: u8) {
        let envelope = Envelope::seal(receipt, Some(&key(by))).to_json();
        let annotations =
            BTreeMap::from([("dev.cosignproject.cosign/signature".into(), String::new())]);
        let attest = self
            .client
            .attest(image, envelope.as_bytes(), MEDIA_TYPE, &annotations);
        attest.await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.registry.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_listed_with_what_is_believed_of_them() {
    let bench = Bench::new();
    let proofs = Proofs::start().await;
    let image = proofs.image("app", "one").await;
    let list = |words: &str| {
        let run = bench.pipeline("receipts").arg(image.to_string());
        run.words(words)
    };
    let none = list("").go().await.ok();
    assert!(none.stdout.starts_with("no receipts beside "), "{none:?}");

    bench.write("ci.pub", public_pem(1));
    bench.write("other.pub", public_pem(2));
    bench.write("pipeline.yml", "receipts: {keys: [ci.pub]}\n");
    proofs
        .add(&image, &accepted(&image, Outcome::Passed), Some(1))
        .await;
    proofs.add(&image, &deployed(&image, "dev"), None).await;

    let shown = list("").go().await.ok().stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    let id = key(1).verifying_key().id().to_string();
    for (line, words) in [
        (2, ["deployment  passed   dev", "refused: unsigned"]),
        (3, ["octocat", &format!("signed by {}", &id[..12])]),
    ] {
        for word in words {
            assert!(lines[line].contains(word), "no `{word}` in {shown}");
        }
    }

    // Another key counts in place of that of the file.
    let report = list("--key other.pub --json -").go().await.ok().json();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["image"], image.to_string());
    let reason = |index: usize| report["receipts"][index]["refusal"]["reason"].clone();
    assert_eq!(
        (reason(0), reason(1)),
        ("unsigned".into(), "unknown-key".into())
    );

    // One that is older than may be.
    let two_days = jiff::SignedDuration::from_hours(48);
    let mut old = accepted(&image, Outcome::Passed);
    old.facts.time = Some(Timestamp::now() - two_days);
    proofs.add(&image, &old, Some(1)).await;
    let config = "receipts: {keys: [ci.pub], max-age: 1d}\n";
    bench.write("pipeline.yml", config);
    let shown = list("").go().await.ok().stdout;
    let last = shown.lines().last().unwrap();
    assert!(last.contains("refused: expired at "), "{shown}");

    list("--require acceptance").go().await.ok();
    let ran = list("--require build --require")
        .arg("deployment in dev")
        .go()
        .await;
    ran.ended(16).one_error().says(&[
        "no receipt of build",
        "the receipt of deployment in dev is refused: unsigned",
        "hint: ",
    ]);
    proofs.stop().await;
}

/// A gate sees our own alone; `--require` must not say more than it.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_signed_is_listed_and_meets_no_rule() {
    let bench = Bench::new();
    let proofs = Proofs::start().await;
    let image = proofs.image("app", "one").await;
    bench.write("ci.pub", public_pem(1));
    bench.write("pipeline.yml", "receipts: {keys: [ci.pub]}\n");
    let list = |words: &str| {
        let run = bench.pipeline("receipts").arg(image.to_string());
        run.words(words)
    };
    let theirs = Predicate::Other(Other {
        predicate_type: "https://in-toto.io/attestation/test-result/v0.1".to_owned(),
        predicate: json!({ "result": "PASSED", "configuration": [{ "name": "lint" }] }),
    });
    let theirs = Receipt::about(&image, Facts::default(), theirs);
    proofs.add(&image, &theirs, Some(1)).await;
    let ours = accepted(&image, Outcome::Passed);
    proofs.add_for_cosign(&image, &ours, 1).await;

    let ran = list("--require acceptance --json -").go().await.ended(16);
    let report = ran.one_error().says(&["no receipt of acceptance"]).json();
    let mut sources = Vec::new();
    for receipt in report["receipts"].as_array().unwrap() {
        assert!(receipt["refusal"].is_null(), "{receipt}");
        sources.push(receipt["source"].to_string());
    }
    sources.sort();
    assert_eq!(sources, ["\"cosign\"", "\"referrer\""]);
    proofs.add(&image, &ours, Some(1)).await;
    list("--require acceptance").go().await.ok();
    proofs.stop().await;
}

#[tokio::test]
async fn what_cannot_be_listed_is_told() {
    let bench = Bench::new();
    let image = format!("127.0.0.1:9/acme/app@{}", digest('1'));
    let list = || bench.pipeline("receipts").arg(&image);
    let ran = list().go().await.ended(1).one_error();
    ran.says(&["read the receipts of", "127.0.0.1:9"]);
    let ran = list().words("--require accepted").go().await.ended(2);
    ran.says(&["`accepted`", "`acceptance`"]);
    bench.write("wrong.pub", "no key\n");
    let ran = list().words("--key wrong.pub").go().await.ended(2);
    ran.one_error().says(&["wrong.pub", "hint: "]);
    let ran = bench.pipeline("receipts acme/app:latest").go().await;
    ran.ended(2).says(&["acme/app:latest"]);
}
