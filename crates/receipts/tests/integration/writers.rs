use std::collections::BTreeSet;

use receipts::Store;
use receipts::statement::{Facts, Outcome, Receipt};
use receipts::store::Found;
use tokio_util::sync::CancellationToken;

use crate::common::{acceptance, facts, signing};
use crate::registry::{Api, Place, client, with_registry};

/// The same receipt is written by two.
fn receipt(place: &Place, writer: usize) -> Receipt {
    let facts = Facts {
        by: Some(format!("writer {}", writer / 2)),
        ..facts(9)
    };
    Receipt::about(&place.image, facts, acceptance(Outcome::Passed))
}

/// All at the same time, each as if on a machine of its own.
async fn write(place: &Place, writers: usize, signed: bool) {
    let writers: Vec<_> = (0..writers)
        .map(|writer| {
            let (image, receipt) = (place.image.clone(), receipt(place, writer));
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

fn names(found: &[Found]) -> BTreeSet<String> {
    let receipts = found.iter().map(|it| {
        let envelope = it.content.as_ref().unwrap();
        Receipt::from_statement(&envelope.payload).unwrap()
    });
    receipts.map(|it| it.facts.by.unwrap()).collect()
}

async fn fifty(place: &Place) {
    write(place, 50, false).await;
    let store = Store::new(client());
    let found = store
        .read(&place.image, &CancellationToken::new())
        .await
        .unwrap();
    let expected: BTreeSet<String> = (0..25).map(|it| format!("writer {it}")).collect();
    assert_eq!(names(&found), expected);
    assert_eq!(found.len(), 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_api_fifty_writers_at_once_lose_nothing() {
    with_registry(Api::Missing, fifty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_api_fifty_writers_at_once_lose_nothing() {
    with_registry(Api::There, fifty).await;
}

/// cosign's place is a tag in any case.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_receipts_of_many_writers_are_all_where_cosign_looks() {
    with_registry(Api::There, async |place| {
        write(place, 24, true).await;
        let list = place.get(&place.tag(".att")).await.unwrap();
        let layers = list["layers"].as_array().unwrap();
        let digests: BTreeSet<_> = layers.iter().map(|it| it["digest"].to_string()).collect();
        assert_eq!((digests.len(), layers.len()), (12, 12));
    })
    .await;
}
