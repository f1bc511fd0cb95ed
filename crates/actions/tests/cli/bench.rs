//! A folder to work in, and the command started in a clean environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use process::{Command, ProcessError, Stream};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// What a program needs of our own environment; everything else, and above all what a runner of
/// GitHub Actions sets, must not decide how a test ends.
const KEPT: [&str; 13] = [
    "PATH",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "BUILDX_BUILDER",
    "XDG_RUNTIME_DIR",
    "PIPELINE_MODAL",
    "PIPELINE_PYTHON",
    "LD_LIBRARY_PATH",
    "LLVM_PROFILE_FILE",
    "SSL_CERT_FILE",
    // By which `cargo xtask test` knows what its tests leave running.
    "PIPELINE_XTASK_RUN",
];

/// A folder that goes with the test: the user's repository and home.
pub(crate) struct Bench {
    root: TempDir,
    runs: AtomicUsize,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["repo", "home"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self {
            root,
            runs: AtomicUsize::new(0),
        }
    }

    /// The user's repository, where commands are run.
    pub(crate) fn repo(&self) -> PathBuf {
        self.root.path().join("repo")
    }

    /// A place beside the repository.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file of the repository.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.repo().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Reads a file of the repository.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.repo().join(path)).unwrap()
    }

    /// `pipeline` with these words as its arguments, in the repository.
    pub(crate) fn pipeline(&self, words: &str) -> Run {
        let command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
        self.prepared(command).words(words)
    }

    /// The same, preceded by a line with the number of the process.
    pub(crate) fn pipeline_in_shell(&self, words: &str) -> Run {
        let script = "echo $$; exec \"$0\" \"$@\"";
        // Hang-ups count even when the tests themselves were told to ignore them.
        let command = Command::new("env")
            .args(["--default-signal=HUP", "sh"])
            .args(["-c", script])
            .arg(env!("CARGO_BIN_EXE_pipeline"));
        self.prepared(command).words(words)
    }

    /// A program in the same environment.
    pub(crate) fn prepared(&self, command: Command) -> Run {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let temporary = self.path(&format!("tmp-{number}"));
        std::fs::create_dir(&temporary).unwrap();
        let mut command = command
            .clear_env()
            .current_dir(self.repo())
            .env("HOME", self.path("home"))
            .env("DOCKER_CONFIG", docker_config())
            .env("TMPDIR", &temporary)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .timeout(Duration::from_secs(300));
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command = command.env(name, value);
            }
        }
        Run { command, temporary }
    }
}

/// Where the user's Docker keeps its plugins and builders.
fn docker_config() -> PathBuf {
    match std::env::var_os("DOCKER_CONFIG") {
        Some(folder) => folder.into(),
        None => Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".docker"),
    }
}

/// A command line that is about to be run.
pub(crate) struct Run {
    pub(crate) command: Command,
    temporary: PathBuf,
}

impl Run {
    /// More arguments, separated by blanks.
    pub(crate) fn words(self, words: &str) -> Self {
        Self {
            command: self.command.args(words.split_whitespace()),
            ..self
        }
    }

    /// One more argument, which may hold blanks.
    pub(crate) fn arg(self, arg: impl Into<OsString>) -> Self {
        Self {
            command: self.command.arg(arg.into()),
            ..self
        }
    }

    pub(crate) fn env(self, name: &str, value: impl Into<OsString>) -> Self {
        Self {
            command: self.command.env(name, value.into()),
            ..self
        }
    }

    /// Runs it to its end. Whatever that is, no temporary file may be left.
    pub(crate) async fn go(self) -> Ran {
        self.go_on(|_, _| {}).await
    }

    /// The same, with each line as it comes.
    pub(crate) async fn go_on(self, mut each: impl FnMut(Stream, &str) + Send + 'static) -> Ran {
        let lines = Arc::new(Mutex::new([String::new(), String::new()]));
        let seen = Arc::clone(&lines);
        let command = self.command.on_line(move |stream, line| {
            each(stream, line);
            let mut seen = seen.lock().unwrap();
            let text = match stream {
                Stream::Stdout => &mut seen[0],
                Stream::Stderr => &mut seen[1],
            };
            text.push_str(line);
            text.push('\n');
        });
        let code = match command.run(&CancellationToken::new()).await {
            Ok(_) => 0,
            Err(ProcessError::Failed {
                code: Some(code), ..
            }) => code,
            Err(error) => panic!("{error}"),
        };
        let [stdout, stderr] = lines.lock().unwrap().clone();
        assert_eq!(names_in(&self.temporary), [""; 0], "left behind");
        Ran {
            code,
            stdout,
            stderr,
        }
    }
}

/// Interrupts the program of this number, as Ctrl-C does.
pub(crate) fn interrupt(pid: &str) {
    send(pid, rustix::process::Signal::INT);
}

/// Sends a signal to the program of this number.
pub(crate) fn send(pid: &str, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Whether no program has this number, or only its exit code is left of it.
pub(crate) fn is_gone(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains("zombie"))
}

/// Waits until `probe` finds something, 60 s at most.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < limit, "not within 60 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The names of what is in a folder.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ended(0)
    }

    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.told());
        self
    }

    /// Says all of this on standard error.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.stderr.contains(word),
                "no `{word}` in\n{}",
                self.told()
            );
        }
        self
    }

    /// Says this nowhere.
    #[track_caller]
    pub(crate) fn hides(self, secret: &str) -> Self {
        let shown = self.stdout.contains(secret) || self.stderr.contains(secret);
        assert!(!shown, "`{secret}` in\n{}", self.told());
        self
    }

    /// Says that it failed exactly once, in the form of all errors.
    #[track_caller]
    pub(crate) fn one_error(self) -> Self {
        let errors = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{}", self.told());
        assert!(self.stderr.contains("error: failed to "), "{}", self.told());
        self
    }

    /// Standard output, which is nothing but JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in\n{}", self.told()))
    }

    fn told(&self) -> String {
        format!(
            "exit code {}\n--- stdout\n{}--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

/// A JSON file.
pub(crate) fn json_file(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}
