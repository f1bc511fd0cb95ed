//! The client of `modal-deploy`, and Modal's own programs in its place: the same questions, the
//! same state, the same answers.

use std::collections::BTreeMap;
use std::time::Duration;

use modal_deploy::client::{AppVersion, Call, Client, KeyChange, ListedApp};
use modal_deploy::deploy::ModalCli;
use modal_deploy::{CliControl, ClientOptions, Control, ModalError};
use registry_model::Environment;
use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Bench, docker, image_ref, marked, python_image};

/// Both ways to ask.
pub(crate) fn controls(bench: &Bench) -> [Control; 2] {
    let secret = SecretString::from("as-tests");
    let options = ClientOptions::new("ak-tests", secret).with_server_url(bench.modal.url());
    [
        Control::Native(Client::connect(options.clone()).unwrap()),
        Control::Cli(CliControl {
            cli: ModalCli::locate().unwrap(),
            options,
        }),
    ]
}

pub(crate) fn dev() -> Environment {
    "dev".parse().unwrap()
}

/// What both tell of a version; times have whole seconds.
#[expect(clippy::cast_possible_truncation, reason = "a time of this century")]
fn of_version(row: AppVersion) -> (u32, i64, String, Option<String>, Option<String>) {
    let at = row.deployed_at as i64;
    let commit = row.commit.map(|commit| commit[..7].to_owned());
    (row.version, at, row.deployed_by, row.tag, commit)
}

#[tokio::test]
async fn both_know_the_token_and_the_environments() {
    let bench = Bench::start(&["dev"]).await;
    let cancel = CancellationToken::new();
    let [native, cli] = controls(&bench);
    let token = native.token(&cancel).await.unwrap();
    assert!(token.is_some());
    assert_eq!(cli.token(&cancel).await.unwrap(), token);

    let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
    native.create_environment(&one, &cancel).await.unwrap();
    cli.create_environment(&two, &cancel).await.unwrap();
    for control in [&native, &cli] {
        for existing in [&one, &two] {
            control.create_environment(existing, &cancel).await.unwrap();
        }
    }
    let known = native.environments(&cancel).await.unwrap();
    let names: Vec<_> = known.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["dev", "one", "two"]);
    assert_eq!(cli.environments(&cancel).await.unwrap(), known);
    bench.stop().await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_an_error_of_both() {
    let bench = Bench::with(rehearsal::modal::ModalOptions {
        environments: vec![dev()],
        token: Some(rehearsal::modal::Token {
            id: "ak-other".to_owned(),
            secret: SecretString::from("as-other"),
        }),
        ..Default::default()
    })
    .await;
    for control in controls(&bench) {
        let error = control.token(&CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.class().exit_code(), 14, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("as-tests"), "{shown}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_server_that_wants_its_auth_token_gets_it() {
    let bench = Bench::with(rehearsal::modal::ModalOptions {
        environments: vec![dev()],
        auth_token: true,
        ..Default::default()
    })
    .await;
    let cancel = CancellationToken::new();
    let [native, _] = controls(&bench);
    assert!(native.token(&cancel).await.unwrap().is_some());
    let values = BTreeMap::from([("KEY".to_owned(), SecretString::from("hunter22"))]);
    let dev = dev();
    let write = native.upsert_secret(&dev, "NAME", &values, &cancel);
    write.await.unwrap();
    assert_eq!(native.secrets(&dev, &cancel).await.unwrap().len(), 1);
    assert_eq!(bench.modal.count("AuthTokenGet"), 1);
    // The first request finds it out, and the others know.
    assert_eq!(bench.modal.count("TokenInfoGet"), 2);
    assert_eq!(bench.modal.count("SecretList"), 1);
    bench.stop().await;
}

#[tokio::test]
async fn both_write_secrets_that_the_other_sees() {
    let bench = Bench::start(&["dev", "staging"]).await;
    let cancel = CancellationToken::new();
    let dev = dev();
    let [native, cli] = controls(&bench);
    let values = |value: &str| {
        let pair = |key: &str| (key.to_owned(), SecretString::from(value));
        BTreeMap::from([pair("ONE"), pair("TWO")])
    };
    let hostile = "line\nline \"quoted\" 'quoted' $HOME `id` 100% \\ \u{e9}\0end";
    for (control, name) in [(&native, "NATIVE"), (&cli, "CLI")] {
        for value in ["first", hostile] {
            let values = values(value);
            let write = control.upsert_secret(&dev, name, &values, &cancel);
            write.await.unwrap();
        }
    }
    let seen = native.secrets(&dev, &cancel).await.unwrap();
    let names: Vec<_> = seen.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["CLI", "NATIVE"]);
    assert_eq!(cli.secrets(&dev, &cancel).await.unwrap(), seen);
    let elsewhere = "staging".parse().unwrap();
    for control in [&native, &cli] {
        assert_eq!(control.secrets(&elsewhere, &cancel).await.unwrap(), []);
    }

    let changes = [KeyChange::Set("THREE".to_owned(), SecretString::from("3"))];
    for control in [&native, &cli] {
        for name in ["CLI", "NEW"] {
            let changed = control.change_keys(&dev, name, &changes, &cancel).await;
            assert!(changed.unwrap());
        }
        let seen = native.secrets(&dev, &cancel).await.unwrap();
        let keys = |name: &str| &seen.iter().find(|one| one.name == name).unwrap().keys;
        assert_eq!(*keys("CLI"), ["ONE", "THREE", "TWO"]);
        assert_eq!(*keys("NEW"), ["THREE"]);
        let back = [KeyChange::Remove("THREE".to_owned())];
        for name in ["CLI", "NEW", "NOWHERE"] {
            let changed = control.change_keys(&dev, name, &back, &cancel).await;
            assert!(changed.unwrap());
        }
        let seen = cli.secrets(&dev, &cancel).await.unwrap();
        let count: usize = seen.iter().map(|one| one.keys.len()).sum();
        assert_eq!((seen.len(), count), (3, 4), "{seen:?}");
    }

    let nowhere = "nowhere".parse().unwrap();
    for control in [&native, &cli] {
        let values = values("hunter22");
        let error = control.upsert_secret(&nowhere, "X", &values, &cancel).await;
        let change = [KeyChange::Set(
            "K".to_owned(),
            SecretString::from("hunter22"),
        )];
        let other = control.change_keys(&nowhere, "X", &change, &cancel).await;
        for error in [error.unwrap_err(), other.unwrap_err()] {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter22"), "{shown}");
        }
        assert!(control.secrets(&nowhere, &cancel).await.is_err());
    }
    bench.stop().await;
}

#[tokio::test]
async fn both_tell_the_same_of_apps_and_change_them_alike() {
    let bench = Bench::start(&["dev"]).await;
    let cancel = CancellationToken::new();
    let dev = dev();
    let [native, cli] = controls(&bench);
    for control in [&native, &cli] {
        assert_eq!(control.app(&dev, "app", &cancel).await.unwrap(), None);
        assert_eq!(control.history(&dev, "app", &cancel).await.unwrap(), []);
        assert_eq!(control.apps(&dev, &cancel).await.unwrap(), []);
        let error = control.rollover(&dev, "app", &cancel).await.unwrap_err();
        assert_eq!(error.class().exit_code(), 14, "{error}");
    }
    for letter in ['a', 'b'] {
        bench.deploy(&image_ref(letter), &[]).await.ok();
    }
    bench
        .deploy_as("dev", "other", &image_ref('a'), &[])
        .await
        .ok();
    bench.modal("app stop other --yes -e dev").await.ok();

    let back = native.native_rollback(&dev, "app", 1, &cancel);
    back.await.unwrap();
    cli.native_rollback(&dev, "app", 2, &cancel).await.unwrap();
    native.rollover(&dev, "app", &cancel).await.unwrap();
    cli.rollover(&dev, "app", &cancel).await.unwrap();

    let (one, two) = (
        native.app(&dev, "app", &cancel).await.unwrap().unwrap(),
        cli.app(&dev, "app", &cancel).await.unwrap().unwrap(),
    );
    assert_eq!((&one.app_id, one.version), (&two.app_id, two.version));
    assert_eq!(one.version, Some(6));
    assert_eq!(one.deployed_at.map(f64::floor), two.deployed_at);
    for control in [&native, &cli] {
        assert_eq!(control.app(&dev, "other", &cancel).await.unwrap(), None);
    }

    let history = async |control: &Control| {
        let rows = control.history(&dev, "app", &cancel).await.unwrap();
        rows.into_iter().map(of_version).collect::<Vec<_>>()
    };
    let seen = history(&native).await;
    assert_eq!(seen.len(), 6);
    assert_eq!(history(&cli).await, seen);

    let apps = async |control: &Control| {
        let mut apps = control.apps(&dev, &cancel).await.unwrap();
        apps.sort_by(|a: &ListedApp, b| a.app_id.cmp(&b.app_id));
        apps
    };
    let seen = apps(&native).await;
    assert_eq!(apps(&cli).await, seen);
    let deployed: Vec<_> = seen.iter().filter(|app| app.deployed).collect();
    assert_eq!((seen.len(), deployed.len()), (2, 1));
    assert_eq!(deployed[0].name, "app");
    bench.stop().await;
}

#[tokio::test]
async fn both_call_functions_alike() {
    let image = "pipeline-tests/modal-control:1";
    marked(python_image().await, "one", image).await;
    let bench = Bench::start(&["dev"]).await;
    let cancel = CancellationToken::new();
    let environment = dev();
    let [native, cli] = controls(&bench);
    // What the command line writes arrives as it is.
    let hostile = "line\nline \"quoted\" 'quoted' $HOME `id` 100% \\ \u{e9} end";
    let values = BTreeMap::from([("TOOL_KEY".to_owned(), SecretString::from(hostile))]);
    cli.upsert_secret(&environment, "TOOL", &values, &cancel)
        .await
        .unwrap();
    bench.deploy(image, &[("TOOL_SECRETS", "TOOL")]).await.ok();
    let call = |function: &'static str, timeout| Call {
        environment: &environment,
        app: "app",
        function,
        version: Some(1),
        payload: json!({"mode": "mock", "text": "it's \"quoted\" \u{e9}"}),
        timeout: Duration::from_secs(timeout),
    };

    let one = native.call(&call("smoke", 60), &cancel).await.unwrap();
    let two = cli.call(&call("smoke", 60), &cancel).await.unwrap();
    assert_eq!(one.value, two.value);
    let envelope = one.envelope().unwrap();
    assert_eq!(envelope["marker"], "one");
    assert_eq!(envelope["key-length"], hostile.chars().count());
    assert_eq!((one.version, two.version), (Some(1), Some(1)));
    assert!(one.call_id.starts_with("fc-") && two.call_id.starts_with("fc-"));

    for control in [&native, &cli] {
        let failed = control.call(&call("refuse", 60), &cancel).await;
        let Err(ModalError::CallFailed { failure, .. }) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(failure.status, "FAILURE");
        assert_eq!(failure.exception, "ValueError('no such mode: mock')");

        let late = control.call(&call("linger", 3), &cancel).await;
        assert!(
            matches!(late, Err(ModalError::CallTimedOut { .. })),
            "{late:?}"
        );

        let missing = control.call(&call("nothing", 60), &cancel).await;
        let error = missing.unwrap_err().to_string();
        assert!(error.contains("nothing"), "{error}");

        let stop = CancellationToken::new();
        let lingering = call("linger", 60);
        let (interrupted, ()) = tokio::join!(control.call(&lingering, &stop), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            stop.cancel();
        });
        assert!(interrupted.unwrap_err().is_cancelled());
    }
    // Nothing that was late or interrupted goes on.
    let label = bench.modal.label().to_owned();
    let gone = async || crate::support::containers(&label).await.is_empty();
    for _ in 0..100 {
        if gone().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(gone().await);
    bench.stop().await;
    docker(&["image", "rm", image]).await;
}
