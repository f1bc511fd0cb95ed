//! The command line as a back end, where a scripted `modal` shows more than the real one does.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use modal_deploy::client::Call;
use modal_deploy::deploy::ModalCli;
use modal_deploy::{CliControl, ClientOptions, Control, ModalError};
use registry_model::Environment;
use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modal/control.sh");
const TOKEN: &str = "as-token-hunter22";
const VALUE: &str = "value-hunter22 \"quoted\" 100%\nsecond line";

struct Scene {
    folder: tempfile::TempDir,
    control: Control,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("modal");
        symlink(PROGRAM, &program).unwrap();
        let control = Control::Cli(CliControl {
            cli: ModalCli::at(&program).unwrap(),
            options: ClientOptions::new("ak-1", SecretString::from(TOKEN)),
        });
        Self { folder, control }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn answers(&self, command: &str, text: &str) {
        std::fs::write(self.path(&format!("out-{command}")), text).unwrap();
    }

    fn ends(&self, command: &str, how: &str) {
        std::fs::write(self.path(&format!("how-{command}")), how).unwrap();
    }

    async fn write(&self, cancel: &CancellationToken) -> Result<(), ModalError> {
        let values = BTreeMap::from([("KEY".to_owned(), SecretString::from(VALUE))]);
        self.control
            .upsert_secret(&dev(), "--name", &values, cancel)
            .await
    }

    /// The file of the secret had no name when the program saw it: not even a kill leaves it.
    #[track_caller]
    fn nothing_is_left(&self) {
        let file = self.read("file");
        assert!(file.trim().ends_with(" (deleted)"), "{file}");
    }

    async fn waits(&self) {
        for _ in 0..500 {
            if self.path("waiting").exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the program has not been started");
    }
}

fn dev() -> Environment {
    "dev".parse().unwrap()
}

fn never() -> CancellationToken {
    CancellationToken::new()
}

#[tokio::test]
async fn values_go_by_a_file_that_only_we_can_read() {
    let scene = Scene::new();
    scene.write(&never()).await.unwrap();
    assert_eq!(scene.read("mode").trim(), "600");
    let text: serde_json::Value = serde_json::from_str(&scene.read("text")).unwrap();
    assert_eq!(text, json!({"KEY": VALUE}));
    let calls = scene.read("calls");
    let line = calls.lines().next().unwrap().trim();
    assert!(
        line.contains(" secret create --force --env dev --from-json /dev/stdin "),
        "{line}"
    );
    assert!(line.ends_with(" -- --name"), "{line}");
    assert!(!calls.contains("value-hunter22"));
    scene.nothing_is_left();
}

#[tokio::test]
async fn the_file_goes_however_it_ends_and_no_value_is_shown() {
    let scene = Scene::new();
    scene.ends("secret-create", "1");
    let error = scene.write(&never()).await.unwrap_err();
    assert_eq!(error.class().exit_code(), 14);
    let shown = format!("{error} {error:?} {}", source(&error));
    assert!(shown.contains("write secret `--name`"), "{shown}");
    assert!(shown.contains(r#"{"KEY":"***"}"#), "{shown}");
    for part in ["value-hunter22", "quoted", "second line"] {
        assert!(!shown.contains(part), "{shown}");
    }
    scene.nothing_is_left();

    let scene = Scene::new();
    scene.ends("secret-create", "hangs");
    let cancel = never();
    let (outcome, ()) = tokio::join!(scene.write(&cancel), async {
        scene.waits().await;
        cancel.cancel();
    });
    assert!(outcome.unwrap_err().is_cancelled());
    scene.nothing_is_left();

    let scene = Scene::new();
    scene.ends("secret-create", "hangs");
    let keep = never();
    tokio::select! {
        _ = scene.write(&keep) => panic!("ended"),
        () = scene.waits() => {}
    }
    scene.nothing_is_left();
}

fn source(error: &ModalError) -> String {
    std::error::Error::source(error).map_or(String::new(), ToString::to_string)
}

#[tokio::test]
async fn only_our_token_and_server_count() {
    let scene = Scene::new();
    scene.answers("environment-list", "[]");
    scene.control.environments(&never()).await.unwrap();
    let calls = scene.read("calls");
    let variable = |name: &str| {
        let mut lines = calls.lines();
        lines.find_map(|line| line.strip_prefix(&format!("{name}=")))
    };
    assert_eq!(variable("MODAL_TOKEN_ID"), Some("ak-1"));
    assert_eq!(variable("MODAL_TOKEN_SECRET"), Some(TOKEN));
    assert_eq!(variable("MODAL_SERVER_URL"), None);
    assert_eq!(variable("MODAL_PROFILE"), None);
    let config = variable("MODAL_CONFIG_PATH").unwrap();
    assert!(!std::path::Path::new(config).exists());
}

#[tokio::test]
async fn a_command_line_without_app_info_is_asked_by_its_lists() {
    let scene = Scene::new();
    scene.ends("app-info", "2");
    scene.answers(
        "app-list",
        r#"[{"app_id": "ap-1", "description": "app", "state": "deployed", "tasks": "3"},
            {"app_id": "ap-2", "description": "old", "state": "stopped", "tasks": "0"}]"#,
    );
    scene.answers(
        "app-history",
        r#"[{"version": "v1", "time_deployed": "2026-01-01 00:00:00+00:00"},
            {"version": "v2", "time_deployed": "2026-01-02 00:00:00+00:00"}]"#,
    );
    let app = scene.control.app(&dev(), "app", &never()).await.unwrap();
    let app = app.unwrap();
    assert_eq!((app.app_id.as_str(), app.version), ("ap-1", Some(2)));
    let old = scene.control.app(&dev(), "old", &never()).await.unwrap();
    assert_eq!(old, None);
}

#[tokio::test]
async fn the_image_is_told_where_the_command_line_can() {
    let scene = Scene::new();
    let told = r#"{"name": "smoke", "image_info": {"image_id": "im-1"}}"#;
    scene.answers("function-info", told);
    let ask = async |version| {
        let (dev, cancel) = (dev(), never());
        let ask = scene
            .control
            .image_id(&dev, "app", "smoke", version, &cancel);
        ask.await.unwrap()
    };
    assert_eq!(ask(None).await.as_deref(), Some("im-1"));
    // It can only tell what is live.
    assert_eq!(ask(Some(3)).await, None);
    scene.ends("function-info", "2");
    assert_eq!(ask(None).await, None);
}

#[tokio::test]
async fn an_answer_of_another_form_is_an_error_with_a_cure() {
    let scene = Scene::new();
    scene.answers("secret-list", "Secrets in environment 'dev'");
    let error = scene.control.secrets(&dev(), &never()).await.unwrap_err();
    assert!(matches!(error, ModalError::CliAnswer { .. }), "{error}");
    assert!(error.hint().unwrap().contains("pip install modal=="));
}

#[tokio::test]
async fn a_call_needs_the_python_of_the_program() {
    let scene = Scene::new();
    let call = Call {
        environment: &dev(),
        app: "app",
        function: "smoke",
        version: None,
        payload: json!({}),
        timeout: Duration::from_secs(1),
    };
    let error = scene.control.call(&call, &never()).await.unwrap_err();
    assert!(matches!(error, ModalError::PythonMissing { .. }), "{error}");
    assert_eq!(error.class().exit_code(), 2);
}
