use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Command, ProcessError, which};
use rehearsal::modal::{EmbeddedModal, ModalOptions};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

pub(crate) const APP: &str = include_str!("app.py");

/// A digest that no image has.
pub(crate) fn image_ref(letter: char) -> String {
    let digits: String = std::iter::repeat_n(letter, 64).collect();
    format!("registry.invalid/llm/x@sha256:{digits}")
}

/// What a program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.stdout
    }

    /// Ended with `code` and said `text` on standard error.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, text: &str) {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.stderr.contains(text), "no `{text}` in {self:#?}");
    }
}

/// A control plane, and a user's folder to run `modal` in.
pub(crate) struct Bench {
    pub(crate) modal: EmbeddedModal,
    pub(crate) folder: TempDir,
    secret: &'static str,
}

impl Bench {
    pub(crate) async fn start(environments: &[&str]) -> Self {
        let options = ModalOptions {
            environments: environments
                .iter()
                .map(|name| name.parse().unwrap())
                .collect(),
            ..ModalOptions::default()
        };
        Self::with(options).await
    }

    pub(crate) async fn with(options: ModalOptions) -> Self {
        let modal = EmbeddedModal::start(options, &CancellationToken::new())
            .await
            .unwrap_or_else(|error| panic!("{error}\nhint: {:?}", error.hint()));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("modal_app.py"), APP).unwrap();
        Self {
            modal,
            folder,
            secret: "as-tests",
        }
    }

    /// From now on the programs use another token secret.
    pub(crate) fn use_secret(&mut self, secret: &'static str) {
        self.secret = secret;
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn command(&self, program: &Path) -> Command {
        Command::new(program)
            .clear_env()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("MODAL_CONFIG_PATH", self.folder.path().join("modal.toml"))
            .env("MODAL_SERVER_URL", self.modal.url())
            .env("MODAL_TOKEN_ID", "ak-tests")
            .env("MODAL_TOKEN_SECRET", self.secret)
            .env("NO_COLOR", "1")
            .env("COLUMNS", "300")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(self.folder.path())
            .timeout(Duration::from_secs(300))
    }

    pub(crate) async fn modal(&self, args: &str) -> Ran {
        ran(self.command(&modal_program()).args(args.split_whitespace())).await
    }

    pub(crate) async fn json(&self, args: &str) -> serde_json::Value {
        serde_json::from_str(&self.modal(args).await.ok()).unwrap()
    }

    /// `modal deploy modal_app.py --env dev --name app`, plus what the app reads.
    pub(crate) async fn deploy(&self, image: &str, env: &[(&str, &str)]) -> Ran {
        self.deploy_as("dev", "app", image, env).await
    }

    pub(crate) async fn deploy_as(
        &self,
        environment: &str,
        app: &str,
        image: &str,
        env: &[(&str, &str)],
    ) -> Ran {
        let command = self
            .command(&modal_program())
            .args([
                "deploy",
                "modal_app.py",
                "--env",
                environment,
                "--name",
                app,
            ])
            .env("PROCESSOR_REF", "llm/x@1")
            .env("IMAGE_REF", image);
        ran(env
            .iter()
            .fold(command, |command, (name, value)| command.env(name, value)))
        .await
    }

    pub(crate) async fn python(&self, code: &str) -> Ran {
        let python = match std::env::var_os("PIPELINE_PYTHON") {
            Some(python) => which(python),
            None => which(
                modal_program()
                    .canonicalize()
                    .unwrap()
                    .with_file_name("python"),
            ),
        };
        let python = python.expect("set PIPELINE_PYTHON to the Python that has modal 1.6.4");
        ran(self.command(&python).args(["-c", code])).await
    }

    /// Stops the control plane; none of its containers may be left.
    pub(crate) async fn stop(self) {
        let label = self.modal.label().to_owned();
        self.modal.stop().await;
        assert_eq!(containers(&label).await, "");
    }
}

/// The containers of one control plane, as `docker ps` lists them.
pub(crate) async fn containers(label: &str) -> String {
    let filter = format!("label=dev.pipeline.rehearsal={label}");
    docker(&["ps", "--all", "--quiet", "--filter", &filter]).await
}

pub(crate) async fn docker(args: &[&str]) -> String {
    ran(Command::new("docker")
        .args(args)
        .timeout(Duration::from_secs(300)))
    .await
    .ok()
    .trim()
    .to_owned()
}

fn modal_program() -> PathBuf {
    match std::env::var_os("PIPELINE_MODAL") {
        Some(modal) => which(modal),
        None => which("modal"),
    }
    .expect("pip install modal==1.6.4, and put `modal` on PATH or into PIPELINE_MODAL")
}

pub(crate) async fn ran(command: Command) -> Ran {
    match command.run(&CancellationToken::new()).await {
        Ok(output) => Ran {
            code: 0,
            stdout: output.stdout_text(),
            stderr: output.stderr,
        },
        Err(ProcessError::Failed {
            code: Some(code),
            stdout,
            stderr,
            ..
        }) => Ran {
            code,
            stdout,
            stderr,
        },
        Err(error) => panic!("{error}"),
    }
}

/// An image with Python out of the packages of this distribution, with a file that proves where
/// an answer was computed. Its name is that of the example, which makes it.
pub(crate) async fn python_image() -> &'static str {
    static IMAGE: OnceCell<String> = OnceCell::const_new();
    IMAGE
        .get_or_init(|| async {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let script = root.join("examples/processors/images/build.sh");
            let build = Command::new(script)
                .arg("python")
                .timeout(Duration::from_secs(600));
            ran(build).await.ok();
            "pipeline-example/python:slim".to_owned()
        })
        .await
}

/// `base` with the file /etc/pipeline-test, which holds `marker`.
pub(crate) async fn marked(base: &str, marker: &str, name: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("marker"), marker).unwrap();
    let dockerfile = format!("FROM {base}\nCOPY marker /etc/pipeline-test\n");
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let context = folder.path().to_str().unwrap();
    docker(&["build", "--quiet", "--tag", name, context]).await;
}
