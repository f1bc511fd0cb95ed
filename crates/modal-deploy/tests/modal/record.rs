//! The deployment record: what is asked of Modal, and that runs side by side lose nothing.

use futures_util::future::join_all;
use modal_deploy::proto::{SecretListItem, SecretMetadata};
use modal_deploy::record::{self, Change, Claim, Mark, RECORD_SECRET, Record};
use modal_deploy::{Control, ModalError};
use registry_model::Environment;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::plane::{Plane, Step};

fn dev() -> Environment {
    "dev".parse().unwrap()
}

async fn read(control: &Control) -> Record {
    let cancel = CancellationToken::new();
    let read = record::read(control, &dev(), &cancel).await.unwrap();
    read.unwrap()
}

async fn write(control: &Control, record: &mut Record, changes: &[Change]) {
    let cancel = CancellationToken::new();
    let environment = dev();
    let written = record::write(control, &environment, record, changes, &cancel);
    written.await.unwrap();
}

fn mark(app: usize, version: u32) -> Change {
    let print = format!("{version:024x}");
    let mark = Mark {
        version,
        digest: format!("sha256:{version:064x}").parse().unwrap(),
        deploy: print.parse().unwrap(),
        secrets: print.parse().unwrap(),
        smoked: false,
    };
    Change::Mark(format!("app-{app}"), mark)
}

#[tokio::test]
async fn what_is_written_is_read_and_no_change_is_no_request() {
    let plane = Plane::start().await;
    let control = plane.control();
    let mut record = read(&control).await;
    assert_eq!(record, Record::default());
    write(&control, &mut record, &[]).await;
    write(&control, &mut record, &[Change::Release("app-1".into())]).await;
    assert_eq!(
        plane.count("SecretUpdate") + plane.count("SecretGetOrCreate"),
        0
    );

    let claim = Claim::after(None);
    let changes = [mark(1, 1), Change::Claim(claim.clone())];
    write(&control, &mut record, &changes).await;
    assert_eq!(read(&control).await, record);
    assert_eq!(record.mark("app-1").unwrap().version, 1);
    assert_eq!(record.claim(), Some(claim));
    let requests = plane.state().seen.len();
    write(&control, &mut record, &changes).await;
    assert_eq!(plane.state().seen.len(), requests);

    // The former mark goes with the same request that brings the new one.
    let updates = plane.count("SecretUpdate");
    write(&control, &mut record, &[mark(1, 2)]).await;
    assert_eq!(plane.count("SecretUpdate"), updates + 1);
    assert_eq!(read(&control).await, record);
    let place = ("dev".to_owned(), RECORD_SECRET.to_owned());
    assert_eq!(plane.state().secrets[&place].len(), 2);
}

#[tokio::test]
async fn writers_side_by_side_lose_nothing() {
    let plane = Plane::start().await;
    let control = plane.control();
    // All have read before any writes: not even the secret is there.
    let seen = read(&control).await;
    let writers = (0..16).map(|app| {
        let (control, mut record) = (&control, seen.clone());
        async move {
            for version in 1..=5 {
                write(control, &mut record, &[mark(app, version)]).await;
            }
        }
    });
    join_all(writers).await;
    let record = read(&control).await;
    for app in 0..16 {
        let version = record.mark(&format!("app-{app}")).unwrap().version;
        assert_eq!(version, 5, "app-{app}");
    }
    let place = ("dev".to_owned(), RECORD_SECRET.to_owned());
    assert_eq!(plane.state().secrets[&place].len(), 16);
}

#[tokio::test]
async fn a_server_that_tells_no_keys_or_changes_none_has_no_record() {
    let plane = Plane::start().await;
    let control = plane.control();
    let item = |name: &str| SecretListItem {
        label: name.to_owned(),
        secret_id: format!("st-{name}"),
        created_at: 1.0,
        metadata: Some(SecretMetadata::default()),
        ..Default::default()
    };
    plane.state().listed = vec![item("KEY"), item(RECORD_SECRET)];
    let cancel = CancellationToken::new();
    let none = record::read(&control, &dev(), &cancel).await.unwrap();
    assert_eq!(none, None);

    plane.state().listed.clear();
    plane.script(
        "SecretUpdate",
        [Step::Fail(Status::unimplemented("older than that"))],
    );
    let mut record = read(&control).await;
    write(&control, &mut record, &[mark(1, 1)]).await;
    assert_eq!(record.mark("app-1"), None);
}

#[tokio::test]
async fn a_change_that_failed_is_not_believed() {
    let plane = Plane::start().await;
    let control = plane.control();
    let mut record = read(&control).await;
    let refused = Step::Fail(Status::permission_denied("restricted environment"));
    plane.script("SecretUpdate", [refused]);
    let cancel = CancellationToken::new();
    let changes = [mark(1, 1)];
    let error = record::write(&control, &dev(), &mut record, &changes, &cancel).await;
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("`pipeline-record`") && text.contains("PERMISSION_DENIED"),
        "{text}"
    );
    assert_eq!(record.mark("app-1"), None);
    cancel.cancel();
    let error = record::write(&control, &dev(), &mut record, &changes, &cancel).await;
    assert!(matches!(error, Err(ModalError::Cancelled { .. })));
    write(&control, &mut record, &changes).await;
    assert_eq!(read(&control).await, record);
    assert!(record.mark("app-1").is_some());
}
