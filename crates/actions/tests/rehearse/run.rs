//! Running `pipeline rehearse` as a user does, and folders to run it on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Command, ProcessError};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How a rehearsal ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) report: Option<serde_json::Value>,
}

/// A rehearsal with folders of its own.
pub(crate) struct Rehearsal {
    command: Command,
    folder: TempDir,
}

impl Rehearsal {
    pub(crate) fn of(repo: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        // The shell leaves its process id behind and becomes the rehearsal.
        // Hang-ups count even when the tests themselves were told to ignore them.
        let mut command = Command::new("env")
            .args([
                "--default-signal=HUP",
                "sh",
                "-c",
                "echo $$ >\"$0\"; exec \"$@\"",
            ])
            .arg(folder.path().join("pid"))
            .arg(env!("CARGO_BIN_EXE_pipeline"))
            .args(["rehearse", "--json"])
            .arg(folder.path().join("report.json"))
            .arg("--repo")
            .arg(repo)
            .env("TMPDIR", &temporary)
            .timeout(Duration::from_secs(600))
            .grace(Duration::from_secs(60));
        // A rehearsal behaves the same in and out of a workflow.
        for (name, _) in std::env::vars() {
            let foreign = ["GITHUB_", "RUNNER_", "ACTIONS_", "MODAL_"];
            if name == "CI" || foreign.iter().any(|prefix| name.starts_with(prefix)) {
                command = command.env_remove(name);
            }
        }
        Self { command, folder }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command = self.command.env(name, value);
        self
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.command = self.command.arg(arg);
        self
    }

    /// The file with the process id of the rehearsal, once it runs.
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    /// A folder that goes with this value.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn on_line(mut self, call: impl FnMut(&str) + Send + 'static) -> Self {
        let mut call = call;
        self.command = self.command.on_line(move |_, line| call(line));
        self
    }

    /// Runs it to its end, and checks that its temporary folder is empty then.
    pub(crate) async fn run(self, cancel: &CancellationToken) -> Ended {
        let ended = match self.command.run(cancel).await {
            Ok(output) => Ended {
                code: 0,
                stdout: output.stdout_text(),
                stderr: output.stderr,
                report: None,
            },
            Err(ProcessError::Failed {
                code,
                stdout,
                stderr,
                status,
                ..
            }) => Ended {
                code: code.unwrap_or_else(|| panic!("{status}: {stderr}")),
                stdout,
                stderr,
                report: None,
            },
            Err(error) => panic!("{error}"),
        };
        let left: Vec<PathBuf> = std::fs::read_dir(self.folder.path().join("tmp"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(left.is_empty(), "left behind: {left:?}\n{}", ended.stderr);
        let report = std::fs::read(self.folder.path().join("report.json")).ok();
        let report = report.map(|bytes| serde_json::from_slice(&bytes).unwrap());
        Ended { report, ..ended }
    }
}

impl Ended {
    /// The report; fails when there is none.
    pub(crate) fn report(&self) -> &serde_json::Value {
        self.report
            .as_ref()
            .unwrap_or_else(|| panic!("no report: {}", self.stderr))
    }

    /// Checks code and message.
    #[track_caller]
    pub(crate) fn assert_failed(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, code, "{}", self.stderr);
        for text in says {
            assert!(
                self.stderr.contains(text),
                "expected `{text}` in:\n{}",
                self.stderr
            );
        }
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{}", self.stderr);
    }
}

/// Where the example repository of this project is.
pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/processors")
}

/// A copy of the example to break.
pub(crate) async fn copy_of_example() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    Command::new("cp")
        .arg("-r")
        .arg(format!("{}/.", example().display()))
        .arg(folder.path())
        .run(&CancellationToken::new())
        .await
        .unwrap();
    folder
}

/// Replaces text in a file; fails when it is not there.
pub(crate) fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "`{from}` is not in {}", file.display());
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// Every file below `folder`, with its bytes, mode and time of change.
pub(crate) fn snapshot(
    folder: &Path,
) -> BTreeMap<PathBuf, (Vec<u8>, std::fs::Permissions, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                folders.push(path);
            } else if meta.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                files.insert(path, (bytes, meta.permissions(), meta.modified().unwrap()));
            }
        }
    }
    files
}
