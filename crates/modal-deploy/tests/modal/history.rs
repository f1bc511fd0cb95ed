//! Whose token it is, what is deployed, and single keys of secrets.

use modal_deploy::client::KeyChange;
use modal_deploy::proto::AppState;
use modal_deploy::proto::app_list_response::AppListItem;
use modal_deploy::{Control, ModalError};
use registry_model::Environment;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::plane::{Plane, Step};

fn dev() -> Environment {
    "dev".parse().unwrap()
}

#[tokio::test]
async fn a_token_is_known_by_its_owner() {
    let plane = Plane::start().await;
    let info = plane.client().token_info().await.unwrap().unwrap();
    assert_eq!(info.token_id, "ak-1");
    assert_eq!(info.workspace, "acme");
    assert_eq!(info.identity.as_deref(), Some("robot"));
    assert_eq!(info.expires_at, None);
}

#[tokio::test]
async fn a_server_older_than_the_question_tells_nothing() {
    let plane = Plane::start().await;
    plane.script("TokenInfoGet", [Step::Fail(Status::unimplemented("?"))]);
    assert_eq!(plane.client().token_info().await.unwrap(), None);
}

#[tokio::test]
async fn apps_are_listed_with_their_state() {
    let plane = Plane::start().await;
    let app = |id: &str, state: AppState| AppListItem {
        app_id: id.to_owned(),
        description: format!("name of {id}"),
        state: state.into(),
        n_running_tasks: 2,
        ..Default::default()
    };
    plane.state().apps = vec![
        app("ap-1", AppState::Deployed),
        app("ap-2", AppState::Stopped),
    ];
    let apps = plane.client().apps(&dev()).await.unwrap();
    let seen: Vec<_> = apps
        .iter()
        .map(|app| (app.name.as_str(), app.deployed, app.running))
        .collect();
    assert_eq!(
        seen,
        [("name of ap-1", true, 2), ("name of ap-2", false, 2)]
    );
}

#[tokio::test]
async fn versions_come_newest_first_and_grow_with_rollbacks_and_rollovers() {
    let plane = Plane::start().await;
    let live = tempfile::tempdir().unwrap();
    std::fs::write(live.path().join("app"), "one im-1\ntwo im-2\n").unwrap();
    plane.state().live = Some(live.path().to_owned());
    let (control, cancel) = (plane.control(), CancellationToken::new());
    let tags = async |control: &Control| -> Vec<(u32, String)> {
        let history = control.history(&dev(), "app", &cancel).await.unwrap();
        let rows = history.into_iter();
        rows.map(|row| (row.version, row.tag.unwrap())).collect()
    };
    let expected = |pairs: &[(u32, &str)]| -> Vec<(u32, String)> {
        pairs
            .iter()
            .map(|(n, tag)| (*n, (*tag).to_owned()))
            .collect()
    };
    assert_eq!(tags(&control).await, expected(&[(2, "two"), (1, "one")]));
    let here = dev();
    let back = control.native_rollback(&here, "app", 1, &cancel);
    back.await.unwrap();
    control.rollover(&dev(), "app", &cancel).await.unwrap();
    let now = tags(&control).await;
    assert_eq!(now[..2], expected(&[(4, "one"), (3, "one")]));

    let none = control.history(&dev(), "other", &cancel).await.unwrap();
    assert!(none.is_empty());
    let error = control.rollover(&dev(), "other", &cancel).await;
    assert!(matches!(error, Err(ModalError::NotLive { .. })));
    assert_eq!(plane.count("AppRollover"), 1);

    plane.state().may_roll_back = false;
    let back = control.native_rollback(&here, "app", 1, &cancel);
    let error = back.await.unwrap_err();
    assert_eq!(error.class().exit_code(), 14);
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("plans") && hint.contains("--native"),
        "{hint}"
    );
    let history = control.history(&dev(), "app", &cancel).await.unwrap();
    assert_eq!(history[0].rollback_allowed, Some(false));
}

fn set(key: &str, value: &str) -> KeyChange {
    KeyChange::Set(key.to_owned(), SecretString::from(value))
}

#[tokio::test]
async fn single_keys_change_and_the_others_stay() {
    let plane = Plane::start().await;
    let client = plane.client();
    let changes = [set("A", "1"), set("B", "2")];
    assert!(client.change_keys(&dev(), "S", &changes).await.unwrap());
    let changes = [
        set("C", "3"),
        KeyChange::Remove("A".to_owned()),
        KeyChange::Remove("never there".to_owned()),
    ];
    assert!(client.change_keys(&dev(), "S", &changes).await.unwrap());
    let state = plane.state();
    let values = &state.secrets[&("dev".to_owned(), "S".to_owned())];
    let pairs: Vec<_> = values
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(pairs, [("B", "2"), ("C", "3")]);
}

#[tokio::test]
async fn two_that_make_a_secret_at_once_keep_both_their_keys() {
    let plane = Plane::start().await;
    let (one, two) = (plane.client(), plane.client());
    let dev = dev();
    plane.state().written_together = Some(std::sync::Arc::new(tokio::sync::Barrier::new(2)));
    let (a, b) = ([set("A", "1")], [set("B", "2")]);
    let (one, two) = tokio::join!(
        one.change_keys(&dev, "S", &a),
        two.change_keys(&dev, "S", &b),
    );
    assert!(one.unwrap() && two.unwrap());
    let state = plane.state();
    let values = &state.secrets[&("dev".to_owned(), "S".to_owned())];
    assert_eq!(values.keys().collect::<Vec<_>>(), ["A", "B"]);
}

#[tokio::test]
async fn keys_of_a_secret_that_is_missing_are_gone_already() {
    let plane = Plane::start().await;
    let gone = [KeyChange::Remove("A".to_owned())];
    assert!(
        plane
            .client()
            .change_keys(&dev(), "S", &gone)
            .await
            .unwrap()
    );
    assert_eq!(plane.count("SecretUpdate"), 0);
    assert!(plane.state().secrets.is_empty());
}

#[tokio::test]
async fn an_interrupted_question_ends_at_once() {
    let plane = Plane::start().await;
    plane.script("SecretList", [Step::Hang]);
    let (control, cancel) = (plane.control(), CancellationToken::new());
    let dev = dev();
    let (outcome, ()) = tokio::join!(control.secrets(&dev, &cancel), async {
        let listing =
            |state: &crate::plane::State| state.seen.iter().any(|seen| seen.rpc == "SecretList");
        plane.until("a list", listing).await;
        cancel.cancel();
    });
    let error = outcome.unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(error.to_string(), "list the secrets of `dev`: interrupted");
}

#[tokio::test]
async fn a_secret_that_was_made_anew_is_found_again() {
    let plane = Plane::start().await;
    let client = plane.client();
    client
        .change_keys(&dev(), "S", &[set("A", "1")])
        .await
        .unwrap();
    // Deleted, and made by somebody else: the identifier that the client knows is nobody's.
    let gone = Step::Fail(Status::not_found("secret 'st-S' not found"));
    plane.script("SecretUpdate", [gone]);
    let asked = plane.count("SecretGetOrCreate");
    let changed = client.change_keys(&dev(), "S", &[set("B", "2")]).await;
    assert!(changed.unwrap());
    assert_eq!(plane.count("SecretGetOrCreate"), asked + 1);
    let place = ("dev".to_owned(), "S".to_owned());
    assert_eq!(plane.state().secrets[&place]["B"], "2");
}
