//! Holds many images against what a gate asks for, all at once and then one after another, and prints
//! how long each took as a line of JSON. Each of the two begins without a connection.
//!
//! `cargo run --release -p receipts --example judge_many -- IMAGES MILLISECONDS`
//!
//! Each image has four signed receipts in a registry of this program that takes so many milliseconds
//! for each answer.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

use std::collections::HashMap;
use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use jiff::Timestamp;
use oci::{Client, ClientOptions};
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use receipts::Store;
use receipts::dsse::Envelope;
use receipts::keys::{SigningKey, VerifyingKey};
use receipts::statement::{
    Acceptance, Decision, Deployment, Facts, Kind, Outcome, Predicate, Promotion, Receipt, Smoke,
};
use receipts::store::{ARTIFACT_TYPE, ENVELOPE, STATEMENT};
use receipts::verify::{Policy, Requirement};
use registry_model::PinnedImage;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn Error>;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const USAGE: &str = "usage: judge_many IMAGES MILLISECONDS";
const RECEIPTS: usize = 4;

/// Serves the list of artifacts of each image, by the image's digest.
struct Registry {
    lists: HashMap<String, String>,
    asked: AtomicUsize,
    latency: Duration,
}

impl Registry {
    async fn answer(&self, path: &str) -> Response {
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.latency).await;
        let digest = path.rsplit_once("/referrers/").map(|(_, digest)| digest);
        match digest.and_then(|digest| self.lists.get(digest)) {
            Some(list) => ([(header::CONTENT_TYPE, INDEX)], list.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// The tests, two deployments and a promotion.
fn receipts_of(image: &PinnedImage) -> Result<Vec<Receipt>, Failure> {
    let acceptance = Predicate::Acceptance(Acceptance {
        outcome: Outcome::Passed,
        suite: "contract".to_owned(),
        inputs: Some(image.digest.clone()),
        report: None,
        passed: vec!["answers".to_owned()],
        warned: vec![],
        failed: vec![],
    });
    let deployment = Predicate::Deployment(Deployment {
        outcome: Outcome::Passed,
        app: "tool-v1".to_owned(),
        version: Some(1),
        smoke: Smoke::Passed,
    });
    let promotion = Predicate::Promotion(Promotion {
        from: "dev".parse()?,
        to: "staging".parse()?,
        decision: Decision::Passed,
        receipts: vec![image.digest.clone()],
    });
    let about = |(predicate, environment): (&Predicate, &str)| {
        let facts = Facts {
            by: Some("octocat".to_owned()),
            run: Some("https://github.com/acme/app/actions/runs/1".to_owned()),
            commit: Some("9fceb02d0ae598e95dc970b74767f19372d61af8".to_owned()),
            environment: Some(environment.parse()?),
            ..Facts::at(Timestamp::now())
        };
        Ok(Receipt::about(image, facts, predicate.clone()))
    };
    let all: [_; RECEIPTS] = [
        (&acceptance, "dev"),
        (&deployment, "dev"),
        (&deployment, "staging"),
        (&promotion, "staging"),
    ];
    all.into_iter().map(about).collect()
}

/// As the store writes it.
fn list(image: &PinnedImage, key: &SigningKey) -> Result<String, Failure> {
    let describe = |receipt: &Receipt| -> Value {
        let envelope = Envelope::seal(receipt, Some(key));
        let json = envelope.to_json();
        json!({
            "mediaType": MANIFEST,
            "digest": format!("sha256:{}", hex::encode(Sha256::digest(&json))),
            "size": json.len(),
            "artifactType": ARTIFACT_TYPE,
            "annotations": { (STATEMENT): envelope.statement(), (ENVELOPE): json },
        })
    };
    let manifests: Vec<Value> = receipts_of(image)?.iter().map(describe).collect();
    let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    Ok(list.to_string())
}

/// A registry with `count` images.
async fn serve(
    count: usize,
    key: &SigningKey,
    latency: Duration,
) -> Result<(Arc<Registry>, Vec<PinnedImage>), Failure> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let host = listener.local_addr()?;
    let image = |number: usize| {
        let digest = format!("sha256:{:064x}", number + 1);
        format!("{host}/bench/tool-{number:05}@{digest}").parse()
    };
    let images: Vec<PinnedImage> = (0..count).map(image).collect::<Result<_, _>>()?;
    let mut lists = HashMap::new();
    for image in &images {
        lists.insert(image.digest.to_string(), list(image, key)?);
    }
    let registry = Arc::new(Registry {
        lists,
        asked: AtomicUsize::new(0),
        latency,
    });
    let shared = Arc::clone(&registry);
    let answer = move |Path(path): Path<String>| async move { shared.answer(&path).await };
    let app = Router::new().route("/v2/{*rest}", any(answer));
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok((registry, images))
}

/// How many of the images lack nothing.
async fn judge(
    store: &Store,
    images: &[PinnedImage],
    policy: &Policy,
    required: &[Requirement],
) -> Result<usize, Failure> {
    let cancel = CancellationToken::new();
    let mut good = 0;
    for verdicts in store.judge_many(images, policy, &cancel).await {
        let verdicts = verdicts?;
        let lacks = required.iter().any(|it| it.lacks(&verdicts).is_some());
        good += usize::from(!lacks && verdicts.len() == RECEIPTS);
    }
    Ok(good)
}

fn store() -> Result<Store, Failure> {
    Ok(Store::new(Client::new(ClientOptions::default())?))
}

async fn run() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let count: usize = args.next().ok_or(USAGE)?.parse()?;
    let latency = Duration::from_millis(args.next().ok_or(USAGE)?.parse()?);
    let secret = p256::SecretKey::from_slice(&[7; 32])?;
    let private = secret.to_pkcs8_pem(LineEnding::LF)?.to_string();
    let public = secret.public_key().to_public_key_pem(LineEnding::LF)?;
    let key = SigningKey::from_pem(&private.into(), None)?;
    let (registry, images) = serve(count, &key, latency).await?;
    let policy = Policy {
        keys: vec![VerifyingKey::from_pem(&public)?],
        ..Policy::default()
    };
    let required = [Kind::Acceptance, Kind::Deployment].map(|kind| Requirement {
        kind,
        environment: "dev".parse().ok(),
    });

    let begun = Instant::now();
    let good = judge(&store()?, &images, &policy, &required).await?;
    let at_once = begun.elapsed().as_secs_f64();
    let asked = registry.asked.load(Ordering::Relaxed);

    let begun = Instant::now();
    let (store, mut in_turn) = (store()?, 0);
    for image in images.chunks(1) {
        in_turn += judge(&store, image, &policy, &required).await?;
    }
    let sequential = begun.elapsed().as_secs_f64();
    if (good, good) != (count, in_turn) {
        return Err(format!("{good} and {in_turn} of {count} images lack nothing").into());
    }
    println!(
        r#"{{"requests":{asked},"at-once-seconds":{at_once:.4},"in-turn-seconds":{sequential:.4}}}"#
    );
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
