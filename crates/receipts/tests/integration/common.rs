use jiff::Timestamp;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use receipts::dsse::Envelope;
use receipts::keys::{SigningKey, VerifyingKey};
use receipts::statement::{
    Acceptance, Build, Decision, Deployment, Facts, Outcome, Predicate, Promotion, Receipt, Smoke,
};
use receipts::store::{Claim, Found, Promise, Source};
use registry_model::{Digest, PinnedImage};
use secrecy::SecretString;

/// A private key made of one digit, in PKCS#8.
pub(crate) fn private_pem(digit: u8) -> String {
    let key = p256::SecretKey::from_slice(&[digit; 32]).unwrap();
    key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
}

pub(crate) fn public_pem(digit: u8) -> String {
    let key = p256::SecretKey::from_slice(&[digit; 32]).unwrap();
    let public = key.public_key();
    public.to_public_key_pem(LineEnding::LF).unwrap()
}

pub(crate) fn signing(digit: u8) -> SigningKey {
    SigningKey::from_pem(&SecretString::from(private_pem(digit)), None).unwrap()
}

pub(crate) fn verifying(digit: u8) -> VerifyingKey {
    VerifyingKey::from_pem(&public_pem(digit)).unwrap()
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64))
        .parse()
        .unwrap()
}

pub(crate) fn image(digit: char) -> PinnedImage {
    format!("ghcr.io/acme/app@{}", digest(digit))
        .parse()
        .unwrap()
}

pub(crate) fn facts(hour: u8) -> Facts {
    Facts {
        by: Some("octocat".to_owned()),
        run: Some("https://github.com/acme/app/actions/runs/1".to_owned()),
        commit: Some("9fceb02d0ae598e95dc970b74767f19372d61af8".to_owned()),
        environment: Some("dev".parse().unwrap()),
        ..Facts::at(time(&format!("2026-03-01T{hour:02}:00:00Z")))
    }
}

pub(crate) fn acceptance(outcome: Outcome) -> Predicate {
    Predicate::Acceptance(Acceptance {
        outcome,
        suite: "smoke".to_owned(),
        inputs: Some(digest('e')),
        report: Some("https://github.com/acme/app/actions/runs/1".to_owned()),
        passed: vec!["answers".to_owned()],
        warned: vec![],
        failed: vec![],
    })
}

pub(crate) fn deployment(outcome: Outcome) -> Predicate {
    Predicate::Deployment(Deployment {
        outcome,
        app: "llm-litellm-v1".to_owned(),
        version: Some(7),
        smoke: Smoke::Passed,
    })
}

/// One receipt of each kind about `image`.
pub(crate) fn all_kinds(image: &PinnedImage) -> Vec<Receipt> {
    let build = Predicate::Build(Build {
        processor: Some("llm/litellm@1".parse().unwrap()),
        source: Some("git+https://github.com/acme/app".to_owned()),
        base_images: vec![image.repository.at(digest('b'))],
        input_key: Some(digest('f')),
        builder: "https://github.com/acme/app/.github/workflows/build.yml".to_owned(),
        started: Some(time("2026-03-01T08:00:00Z")),
    });
    let promotion = Predicate::Promotion(Promotion {
        from: "dev".parse().unwrap(),
        to: "staging".parse().unwrap(),
        decision: Decision::Bypassed {
            by: "octocat".to_owned(),
            why: "the site is down".to_owned(),
        },
        receipts: vec![digest('c')],
    });
    let predicates = [
        build,
        acceptance(Outcome::Passed),
        deployment(Outcome::Passed),
        promotion,
    ];
    let about = |predicate| Receipt::about(image, facts(9), predicate);
    predicates.into_iter().map(about).collect()
}

/// What the list of a registry says of `envelope`.
pub(crate) fn promise(envelope: &Envelope) -> Promise {
    let claim = |receipt: Receipt| {
        Some(Claim {
            kind: receipt.kind()?,
            outcome: receipt.outcome()?,
            time: receipt.facts.time,
            environment: receipt.facts.environment,
        })
    };
    Promise {
        statement: Some(envelope.statement()),
        claim: Receipt::from_statement(&envelope.payload)
            .ok()
            .and_then(claim),
    }
}

/// What a registry would give for `envelope` beside `image`.
pub(crate) fn found(image: &PinnedImage, envelope: Envelope) -> Found {
    Found {
        image: image.clone(),
        place: image.repository.at(digest('0')),
        source: Source::Referrer,
        promised: Some(promise(&envelope)),
        content: Ok(envelope),
    }
}
