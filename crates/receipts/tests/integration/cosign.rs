//! The program that most people verify attestations with.

use std::path::{Path, PathBuf};

use process::{Command, ProcessError, which};
use receipts::Store;
use receipts::keys::{SigningKey, VerifyingKey};
use receipts::statement::{Kind, Outcome, Receipt};
use receipts::store::Source;
use receipts::verify::{Policy, Refusal, Requirement};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::common::{acceptance, all_kinds, facts, time, verifying};
use crate::registry::{Api, Place, client, with_registry};

const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

struct Cosign {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Cosign {
    fn new() -> Self {
        let program = which("cosign").unwrap_or_else(|| {
            panic!("this test needs cosign: cargo xtask setup, or apt-get install cosign")
        });
        let folder = tempfile::tempdir().unwrap();
        Self { program, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What it printed.
    async fn run(&self, args: &[&str]) -> Result<String, ProcessError> {
        let command = Command::new(&self.program)
            .args(args)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("COSIGN_PASSWORD", "open");
        let output = command.run(&CancellationToken::new()).await?;
        Ok(output.stdout_text())
    }

    /// A pair of keys: the private one is encrypted.
    async fn pair(&self) -> (PathBuf, PathBuf) {
        self.run(&["generate-key-pair"]).await.unwrap();
        (self.path("cosign.key"), self.path("cosign.pub"))
    }

    async fn verify(
        &self,
        public: &Path,
        kind: &str,
        place: &Place,
    ) -> Result<String, ProcessError> {
        let (key, image) = (public.display().to_string(), place.image.to_string());
        let args = ["verify-attestation", "--insecure-ignore-tlog", "--key"];
        self.run(&[&args[..], &[&key, "--type", kind, &image]].concat())
            .await
    }

    async fn attest(&self, key: &Path, more: &[&str], place: &Place) {
        self.write("predicate.json", r#"{ "result": "FAILED" }"#);
        let (key, image) = (key.display().to_string(), place.image.to_string());
        let args = [
            "attest",
            "--yes",
            "--tlog-upload=false",
            "--predicate",
            "predicate.json",
        ];
        let of_type = ["--type", TEST_RESULT, "--key", &key, &image];
        let args = [&args[..], more, &of_type[..]].concat();
        self.run(&args).await.unwrap();
    }
}

fn live() -> CancellationToken {
    CancellationToken::new()
}

#[tokio::test]
async fn cosign_accepts_ours_made_with_its_own_key() {
    let cosign = Cosign::new();
    let (private, public) = cosign.pair().await;
    let password = SecretString::from("open");
    let key = SigningKey::read(&private, Some(&password)).unwrap();
    assert_eq!(key.verifying_key(), &VerifyingKey::read(&public).unwrap());
    with_registry(Api::Missing, async |place| {
        let store = Store::new(client());
        for receipt in all_kinds(&place.image) {
            store
                .add(&place.image, &receipt, Some(&key), &live())
                .await
                .unwrap();
            let kind = receipt.predicate_type();
            let printed = cosign.verify(&public, kind, place).await.unwrap();
            let envelope = receipts::dsse::Envelope::from_json(printed.trim().as_bytes());
            assert_eq!(envelope.unwrap().payload, receipt.to_statement());
        }
        let other = cosign.write("other.pub", &crate::common::public_pem(9));
        let refused = cosign.verify(&other, TEST_RESULT, place).await;
        assert!(refused.is_err(), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn ours_accepts_what_cosign_wrote_and_neither_hides_the_other() {
    let cosign = Cosign::new();
    let (private, public) = cosign.pair().await;
    let key = SigningKey::read(&private, Some(&SecretString::from("open"))).unwrap();
    with_registry(Api::Missing, async |place| {
        let store = Store::new(client());
        let here = &place.image;
        let ours = |hour, outcome| Receipt::about(here, facts(hour), acceptance(outcome));
        store
            .add(here, &ours(9, Outcome::Passed), Some(&key), &live())
            .await
            .unwrap();
        cosign.attest(&private, &[], place).await;
        store
            .add(here, &ours(10, Outcome::Passed), Some(&key), &live())
            .await
            .unwrap();
        let printed = cosign.verify(&public, TEST_RESULT, place).await.unwrap();
        assert_eq!(printed.trim().lines().count(), 3);

        let policy = Policy {
            keys: vec![key.verifying_key().clone()],
            repository: Some(here.repository.clone()),
            ..Policy::default()
        };
        let judge = async |policy: &Policy| {
            let found = store.read_all(here, &live()).await.unwrap();
            policy.judge(&found, time("2026-03-02T00:00:00Z"))
        };
        let verdicts = judge(&policy).await;
        assert_eq!(verdicts.len(), 3);
        assert!(
            verdicts.iter().all(|it| it.refusal.is_none()),
            "{verdicts:?}"
        );
        let theirs = &verdicts[2];
        assert_eq!(theirs.source, Source::Cosign);
        let receipt = theirs.believed().unwrap();
        assert_eq!(receipt.predicate_type(), TEST_RESULT);
        // Genuine, and no word about our acceptance.
        assert_eq!((receipt.kind(), receipt.outcome()), (None, None));
        let wanted = Requirement {
            kind: Kind::Acceptance,
            environment: None,
        };
        assert_eq!(
            wanted.lacks(&verdicts[2..]).as_deref(),
            Some("no receipt of acceptance")
        );
        assert_eq!(store.read(here, &live()).await.unwrap().len(), 2);

        // With another key, and with a bundle.
        let strangers = Policy {
            keys: vec![verifying(8)],
            ..policy.clone()
        };
        let refusals = judge(&strangers).await;
        assert!(matches!(
            refusals[0].refusal,
            Some(Refusal::UnknownKey { .. })
        ));
        assert_eq!(refusals[2].refusal, Some(Refusal::Forged));
        cosign
            .attest(&private, &["--new-bundle-format"], place)
            .await;
        let verdicts = judge(&policy).await;
        assert_eq!(verdicts.len(), 4);
        let sources: Vec<_> = verdicts.iter().map(|it| it.source).collect();
        assert!(sources.contains(&Source::Bundle), "{sources:?}");
        assert!(
            verdicts.iter().all(|it| it.refusal.is_none()),
            "{verdicts:?}"
        );
    })
    .await;
}
