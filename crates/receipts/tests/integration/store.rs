use receipts::dsse::Envelope;
use receipts::statement::{Kind, Outcome, Predicate, Receipt};
use receipts::store::{ARTIFACT_TYPE, Claim, ENVELOPE, Flaw, MEDIA_TYPE, Source};
use receipts::verify::{Policy, Refusal};
use receipts::{ReceiptsError, Store};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::common::{acceptance, all_kinds, facts, image, signing, time, verifying};
use crate::registry::{Api, MANIFEST, Place, client, with_registry};

fn live() -> CancellationToken {
    CancellationToken::new()
}

async fn stored_receipts_are_found(place: &Place) {
    let store = Store::new(client());
    let here = &place.image;
    assert_eq!(store.read(here, &live()).await.unwrap(), []);
    let receipts = all_kinds(here);
    let mut places = Vec::new();
    for receipt in &receipts {
        let stored = store.add(here, receipt, None, &live()).await.unwrap();
        let again = store.add(here, receipt, None, &live()).await.unwrap();
        assert_eq!(stored, again);
        places.push(stored.manifest);
    }
    let found = store.read(here, &live()).await.unwrap();
    assert_eq!(
        found.iter().map(|it| it.place.clone()).collect::<Vec<_>>(),
        places
    );
    let verdicts = Policy::default().judge(&found, time("2026-03-02T00:00:00Z"));
    let believed: Vec<_> = verdicts
        .iter()
        .filter_map(|it| it.believed().cloned())
        .collect();
    assert_eq!(believed, receipts);
    assert_eq!(store.read_all(here, &live()).await.unwrap(), found);

    // As the specifications have it, for other tools.
    let manifest = place.get(places[1].digest.as_str()).await.unwrap();
    assert_eq!(manifest["artifactType"], ARTIFACT_TYPE);
    assert_eq!(manifest["subject"]["digest"], here.digest.as_str());
    assert_eq!(manifest["layers"][0]["mediaType"], MEDIA_TYPE);
    let mut annotations = manifest["annotations"].clone();
    for of_digest in [ENVELOPE, "dev.pipeline.receipt.statement"] {
        assert!(
            annotations
                .as_object_mut()
                .unwrap()
                .remove(of_digest)
                .is_some()
        );
    }
    assert_eq!(
        annotations,
        json!({
            "org.opencontainers.image.created": "2026-03-01T09:00:00Z",
            "dev.pipeline.receipt.environment": "dev",
            "dev.pipeline.receipt.result": "passed",
            "in-toto.io/predicate-type": "https://in-toto.io/attestation/test-result/v0.1",
        })
    );
    // Without a key there is nothing for cosign.
    assert_eq!(place.get(&place.tag(".att")).await, None);
}

#[tokio::test]
async fn without_the_api_stored_receipts_are_found() {
    with_registry(Api::Missing, stored_receipts_are_found).await;
}

#[tokio::test]
async fn with_the_api_stored_receipts_are_found() {
    with_registry(Api::There, async |place| {
        stored_receipts_are_found(place).await;
        assert_eq!(place.get(&place.tag("")).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_signed_receipt_is_one_although_it_lies_in_two_places() {
    with_registry(Api::Missing, async |place| {
        let store = Store::new(client());
        let here = &place.image;
        let receipt = Receipt::about(here, facts(9), acceptance(Outcome::Passed));
        store
            .add(here, &receipt, Some(&signing(1)), &live())
            .await
            .unwrap();
        store
            .add(here, &receipt, Some(&signing(1)), &live())
            .await
            .unwrap();
        let found = store.read_all(here, &live()).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].source, Source::Referrer);
        let list = place.get(&place.tag(".att")).await.unwrap();
        assert_eq!(list["layers"].as_array().unwrap().len(), 1);
        let policy = Policy {
            keys: vec![verifying(1)],
            ..Policy::default()
        };
        let verdicts = policy.judge(&found, time("2026-03-02T00:00:00Z"));
        assert_eq!(verdicts[0].believed(), Some(&receipt));
    })
    .await;
}

/// What is too long for the list is fetched, and checked against its digest.
#[tokio::test]
async fn a_long_receipt_is_read_from_its_artifact() {
    with_registry(Api::Missing, async |place| {
        let store = Store::new(client());
        let here = &place.image;
        let mut receipt = Receipt::about(here, facts(9), acceptance(Outcome::Passed));
        if let Predicate::Acceptance(acceptance) = &mut receipt.predicate {
            acceptance.passed = (0..2_000).map(|number| format!("test {number}")).collect();
        }
        let stored = store.add(here, &receipt, None, &live()).await.unwrap();
        let list = place.get(&place.tag("")).await.unwrap();
        assert!(list.to_string().len() < 2_000);
        let found = store.read(here, &live()).await.unwrap();
        let envelope = found[0].content.as_ref().unwrap();
        assert_eq!(Receipt::from_statement(&envelope.payload).unwrap(), receipt);
        assert_eq!(envelope.statement(), stored.statement);
    })
    .await;
}

/// One artifact that is wrong must not hide the others, or be mistaken for them.
#[tokio::test]
async fn what_is_wrong_beside_an_image_is_named() {
    with_registry(Api::Missing, async |place| {
        let store = Store::new(client());
        let here = &place.image;
        let other = place.push("arm64").await;
        let genuine = Receipt::about(here, facts(9), acceptance(Outcome::Passed));
        let kept = store
            .add(here, &genuine, Some(&signing(1)), &live())
            .await
            .unwrap();
        let foreign = Receipt::about(&other, facts(9), acceptance(Outcome::Passed));
        let replayed = store
            .add(&other, &foreign, Some(&signing(1)), &live())
            .await
            .unwrap();

        // Somebody who may write to the registry, but has not the key.
        let tag = place.tag("");
        let mut list = place.get(&tag).await.unwrap();
        let of_other = format!("sha256-{}", other.digest.hex());
        let of_other = place.get(&of_other).await.unwrap();
        let honest = list["manifests"][0].clone();
        let mut changed = honest.clone();
        let json = changed["annotations"][ENVELOPE].as_str().unwrap();
        let mut envelope = Envelope::from_json(json.as_bytes()).unwrap();
        envelope.payload =
            Receipt::about(here, facts(10), acceptance(Outcome::Passed)).to_statement();
        changed["annotations"][ENVELOPE] = envelope.to_json().into();
        changed["digest"] = place.push("s390x").await.digest.as_str().into();
        let mut garbage = honest.clone();
        garbage["annotations"][ENVELOPE] = "{".into();
        garbage["digest"] = place.push("riscv64").await.digest.as_str().into();
        let empty = place.push("ppc64le").await.digest;
        let empty = json!({
            "mediaType": MANIFEST, "artifactType": ARTIFACT_TYPE,
            "digest": empty.as_str(), "size": 9,
        });
        let entries = list["manifests"].as_array_mut().unwrap();
        entries.extend([of_other["manifests"][0].clone(), changed, garbage, empty]);
        place.put(Some(&tag), &list).await;

        let found = store.read(here, &live()).await.unwrap();
        let policy = Policy {
            keys: vec![verifying(1)],
            ..Policy::default()
        };
        let verdicts = policy.judge(&found, time("2026-03-02T00:00:00Z"));
        assert_eq!(verdicts[0].place, kept.manifest);
        assert_eq!(verdicts[0].believed(), Some(&genuine));
        assert_eq!(verdicts[1].place, replayed.manifest);
        let refusals: Vec<_> = verdicts[1..]
            .iter()
            .map(|it| it.refusal.clone().unwrap())
            .collect();
        assert_eq!(
            refusals[0],
            Refusal::Replayed {
                names: vec![other.digest]
            }
        );
        assert!(
            matches!(refusals[1], Refusal::Altered { .. }),
            "{:?}",
            refusals[1]
        );
        assert!(
            matches!(refusals[2], Refusal::Unreadable { .. }),
            "{:?}",
            refusals[2]
        );
        assert!(
            matches!(refusals[3], Refusal::Unreadable { .. }),
            "{:?}",
            refusals[3]
        );
        // What the list says of what is lost.
        let claims: Vec<_> = verdicts.iter().map(|it| it.claim.clone()).collect();
        let claim = Claim {
            kind: Kind::Acceptance,
            outcome: Outcome::Passed,
            time: genuine.facts.time,
            environment: genuine.facts.environment.clone(),
        };
        assert_eq!(claims, [None, None, Some(claim.clone()), Some(claim), None]);
        assert!(
            matches!(&found[4].content, Err(Flaw::Unreadable(why)) if why.contains("0 layers"))
        );
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_back_is_not_stored() {
    let store = Store::new(client());
    let nowhere = "127.0.0.1:1/team/app@".to_owned() + image('a').digest.as_str();
    let nowhere = nowhere.parse().unwrap();
    let of_other = Receipt::about(&image('b'), facts(9), acceptance(Outcome::Passed));
    let error = store
        .add(&nowhere, &of_other, None, &live())
        .await
        .unwrap_err();
    assert!(matches!(error, ReceiptsError::Unfit { .. }), "{error:?}");
    let mut odd = Receipt::about(&nowhere, facts(9), acceptance(Outcome::Passed));
    odd.facts.by = Some("x\u{1b}[2J".to_owned());
    let error = store.add(&nowhere, &odd, None, &live()).await.unwrap_err();
    assert!(error.to_string().contains("control characters"), "{error}");

    let good = Receipt::about(&nowhere, facts(9), acceptance(Outcome::Passed));
    let cancelled = live();
    cancelled.cancel();
    let error = store
        .add(&nowhere, &good, None, &cancelled)
        .await
        .unwrap_err();
    assert!(error.is_cancelled());
    assert!(
        store
            .read(&nowhere, &cancelled)
            .await
            .unwrap_err()
            .is_cancelled()
    );
}

#[tokio::test]
async fn a_receipt_for_a_missing_image_is_refused() {
    with_registry(Api::Missing, async |place| {
        let store = Store::new(client());
        let missing = place.repository.at(image('a').digest);
        let receipt = Receipt::about(&missing, facts(9), acceptance(Outcome::Passed));
        let error = store
            .add(&missing, &receipt, None, &live())
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("store a receipt for `127.0.0.1:"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("build and push it again"));
        assert_eq!(store.read(&missing, &live()).await.unwrap(), []);
    })
    .await;
}
