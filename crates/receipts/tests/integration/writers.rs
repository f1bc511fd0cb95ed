use std::collections::BTreeSet;

use receipts::Store;
use receipts::statement::{Facts, Outcome, Receipt};
use receipts::store::Found;
use tokio_util::sync::CancellationToken;

use crate::common::{acceptance, facts, signing};
use crate::registry::{Api, Place, client, with_registry};

fn receipt(place: &Place, name: &str) -> Receipt {
    let facts = Facts {
        by: Some(name.to_owned()),
        ..facts(9)
    };
    Receipt::about(&place.image, facts, acceptance(Outcome::Passed))
}

fn different(count: usize) -> Vec<String> {
    (0..count).map(|it| format!("writer {it}")).collect()
}

/// All at the same time, each as if on a machine of its own.
async fn write(place: &Place, names: &[String], signed: bool) {
    let writers: Vec<_> = names
        .iter()
        .map(|name| {
            let (image, receipt) = (place.image.clone(), receipt(place, name));
            tokio::spawn(async move {
                let key = signed.then(|| signing(1));
                let store = Store::new(client());
                let cancel = CancellationToken::new();
                store.add(&image, &receipt, key.as_ref(), &cancel).await
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
}

/// Who wrote what lies there, in order.
async fn found(place: &Place) -> Vec<String> {
    let store = Store::new(client());
    let found = store.read(&place.image, &CancellationToken::new()).await;
    let name = |found: &Found| {
        let envelope = found.content.as_ref().unwrap();
        let receipt = Receipt::from_statement(&envelope.payload).unwrap();
        receipt.facts.by.unwrap()
    };
    let mut names: Vec<String> = found.unwrap().iter().map(name).collect();
    names.sort();
    names
}

async fn fifty(place: &Place) {
    let mut names = different(50);
    write(place, &names, false).await;
    names.sort();
    assert_eq!(found(place).await, names);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_api_fifty_writers_at_once_lose_nothing() {
    with_registry(Api::Missing, fifty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_api_fifty_writers_at_once_lose_nothing() {
    with_registry(Api::There, fifty).await;
}

async fn twins(place: &Place) {
    write(place, &["twin".to_owned(), "twin".to_owned()], false).await;
    assert_eq!(found(place).await, ["twin"]);
}

/// A run that is tried again while the first is still at it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_receipt_written_twice_at_once_is_one() {
    with_registry(Api::Missing, twins).await;
    with_registry(Api::There, twins).await;
}

/// cosign's place is a tag in any case.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_receipts_of_many_writers_are_all_where_cosign_looks() {
    with_registry(Api::There, async |place| {
        write(place, &different(24), true).await;
        let list = place.get(&place.tag(".att")).await.unwrap();
        let layers = list["layers"].as_array().unwrap();
        let digests: BTreeSet<_> = layers.iter().map(|it| it["digest"].to_string()).collect();
        assert_eq!((digests.len(), layers.len()), (24, 24));
    })
    .await;
}
