//! Listing and writing secrets.

use std::sync::Arc;

use modal_deploy::ModalError;
use modal_deploy::proto::{SecretListItem, SecretMetadata};
use modal_deploy::secrets::{PlannedSecret, SecretPlan, sync};
use secrecy::SecretString;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::plane::{Plane, Step};

fn plan(count: usize) -> SecretPlan {
    let secrets = (0..count).map(|number| {
        let name = format!("KEY_{number:02}");
        let value = SecretString::from(format!("value\n'{number}' of hunter22"));
        PlannedSecret {
            values: [(name.clone(), value)].into(),
            name,
        }
    });
    SecretPlan {
        environment: "dev".parse().unwrap(),
        secrets: secrets.collect(),
        warnings: Vec::new(),
    }
}

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let plane = Plane::start().await;
    let item = |number: u32| SecretListItem {
        label: format!("S{number}"),
        secret_id: format!("st-{number}"),
        created_at: f64::from(1000 - number),
        metadata: Some(SecretMetadata {
            keys: vec!["KEY".to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    };
    for (count, pages) in [(0, 1), (99, 1), (100, 2), (250, 3)] {
        plane.state().listed = (0..count).map(item).collect();
        let before = plane.count("SecretList");
        let client = plane.client();
        let secrets = client.secrets(&"dev".parse().unwrap()).await.unwrap();
        let names: Vec<_> = secrets.into_iter().map(|secret| secret.name).collect();
        let expected: Vec<_> = (0..count).map(|number| format!("S{number}")).collect();
        assert_eq!(names, expected);
        assert_eq!(plane.count("SecretList") - before, pages, "{count}");
    }
}

#[tokio::test]
async fn eight_are_written_side_by_side_and_arrive_unchanged() {
    let plane = Plane::start().await;
    // Nobody is answered before eight ask: fewer would never end.
    plane.state().written_together = Some(Arc::new(Barrier::new(8)));
    let synced = sync(&plane.client(), &plan(24), &CancellationToken::new())
        .await
        .unwrap();
    let state = plane.state();
    assert_eq!(synced.len(), 24);
    assert!(synced.is_sorted());
    assert_eq!(state.writing, (0, 8));
    for (number, name) in synced.into_iter().enumerate() {
        let values = &state.secrets[&("dev".to_owned(), name.clone())];
        assert_eq!(values[&name], format!("value\n'{number}' of hunter22"));
    }
}

#[tokio::test]
async fn a_refusal_names_the_secret_and_no_value() {
    let plane = Plane::start().await;
    let refused = Step::Fail(Status::permission_denied("restricted environment"));
    plane.script("SecretGetOrCreate", [refused]);
    let error = sync(&plane.client(), &plan(1), &CancellationToken::new())
        .await
        .unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        text.starts_with("write secret `KEY_00` of environment `dev`: PERMISSION_DENIED"),
        "{text}"
    );
    assert!(!text.contains("hunter22"));
}

#[tokio::test]
async fn cancelling_ends_the_writing() {
    let plane = Plane::start().await;
    plane.script("SecretGetOrCreate", [Step::Hang]);
    let cancel = CancellationToken::new();
    let secrets = plan(1);
    let client = plane.client();
    let (outcome, ()) = tokio::join!(sync(&client, &secrets, &cancel), async {
        plane
            .until("a write", |state| {
                state
                    .seen
                    .iter()
                    .any(|seen| seen.rpc == "SecretGetOrCreate")
            })
            .await;
        cancel.cancel();
    });
    assert!(matches!(outcome, Err(ModalError::Cancelled { .. })));
}
