use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use super::Verdict;
use super::results::{Results, is_news};
use crate::error::Error;
use crate::say;
use crate::tools::Tools;

/// Lines of a failed check that are shown; the whole is in its log.
const SHOWN: usize = 60;

/// Where the checks run.
pub(crate) struct Scene {
    root: PathBuf,
    logs: PathBuf,
    cargo_deny: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    /// Stands in the environment of every process of this run.
    pub(crate) marker: String,
    /// What the checks may write to, and must leave empty.
    pub(crate) temporary: tempfile::TempDir,
}

/// The variable that holds [`Scene::marker`].
pub(crate) const MARKER: &str = "PIPELINE_XTASK_RUN";

impl Scene {
    /// # Errors
    /// When the folders for logs and temporary files cannot be made.
    pub(crate) fn new(root: &Path, tools: &Tools) -> Result<Self, Error> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let logs = target.unwrap_or_else(|| root.join("target")).join("xtask");
        std::fs::create_dir_all(&logs)
            .map_err(|error| Error::io(format!("make {}", logs.display()), error))?;
        let temporary = tempfile::Builder::new()
            .prefix("pipeline-test-")
            .tempdir()
            .map_err(|error| Error::io("make a folder for temporary files", error))?;
        let marker = uuid::Uuid::new_v4().to_string();
        let mut environment = tools.environment()?;
        environment.push(("TMPDIR", temporary.path().into()));
        environment.push((MARKER, marker.clone().into()));
        Ok(Self {
            root: root.to_path_buf(),
            logs,
            cargo_deny: tools
                .find("cargo-deny")
                .unwrap_or_else(|| "cargo-deny".into()),
            environment,
            marker,
            temporary,
        })
    }
}

/// What is checked, in the order of the table: the quick ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Formatting,
    Dependencies,
    Advisories,
    Lints,
    Tests,
    Documents,
}

impl Check {
    pub(crate) const ALL: [Self; 6] = [
        Self::Formatting,
        Self::Dependencies,
        Self::Advisories,
        Self::Lints,
        Self::Tests,
        Self::Documents,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Formatting => "formatting",
            Self::Dependencies => "dependencies",
            Self::Advisories => "advisories",
            Self::Lints => "lints",
            Self::Tests => "tests",
            Self::Documents => "documents",
        }
    }

    /// The command, for a person who wants to run only that.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Formatting => "cargo fmt --all --check",
            Self::Dependencies => "cargo deny check bans licenses sources",
            Self::Advisories => "cargo deny check advisories",
            Self::Lints => "cargo clippy --workspace --all-targets --locked -- -D warnings",
            Self::Tests => "cargo test --workspace --locked --no-fail-fast",
            Self::Documents => "cargo doc --workspace --no-deps --locked",
        }
    }

    fn command(self, scene: &Scene) -> Command {
        let mut words = self.shown().split(' ');
        let program = words.next().unwrap_or_default();
        let command = match self {
            Self::Dependencies | Self::Advisories => {
                Command::new(&scene.cargo_deny).args(words.skip(1))
            }
            Self::Documents => Command::new(program)
                .args(words)
                .env("RUSTDOCFLAGS", "-D warnings"),
            _ => Command::new(program).args(words),
        };
        let command = command
            .env("CARGO_TERM_COLOR", "never")
            .env("NO_COLOR", "1");
        scene
            .environment
            .iter()
            .fold(command, |command, (name, value)| command.env(name, value))
            .current_dir(&scene.root)
    }
}

/// Runs one check. Its whole output goes to a log.
///
/// # Errors
/// On interruption, and when the check cannot be run at all.
pub(crate) async fn run(
    check: Check,
    scene: &Scene,
    cancel: &CancellationToken,
) -> Result<(Verdict, Vec<String>), Error> {
    let path = scene.logs.join(format!("{}.log", check.name()));
    let log = std::fs::File::create(&path)
        .map_err(|error| Error::io(format!("write {}", path.display()), error))?;
    let watch = Arc::new(Mutex::new(Watch {
        log,
        last: VecDeque::new(),
        results: Results::default(),
    }));
    let watcher = Arc::clone(&watch);
    let command = check.command(scene).on_line(move |_, line| {
        if check == Check::Tests && is_news(line) {
            say::line(format_args!("  {}", line.trim_start()));
        }
        if let Ok(mut watch) = watcher.lock() {
            watch.take(line);
        }
    });
    let ended = command.run(cancel).await;
    let watch = watch
        .lock()
        .map_err(|error| Error::format(check.name(), error))?;
    let details = match check {
        Check::Tests => watch.results.details(),
        _ => Vec::new(),
    };
    match ended {
        Ok(_) if check != Check::Tests || watch.results.is_good() => Ok((Verdict::Passed, details)),
        Ok(_) => Ok((Verdict::Failed, details)),
        Err(ProcessError::Failed { stderr, .. })
            if check == Check::Advisories && is_unreachable(&stderr) =>
        {
            let reason = "database unreachable (https://github.com/RustSec/advisory-db)";
            Ok((Verdict::NotChecked, vec![reason.to_owned()]))
        }
        Err(ProcessError::Failed { status, .. }) => {
            // The end of a test run is about the last program, not about the one that failed.
            let why = watch.results.why();
            for line in why
                .iter()
                .chain(watch.last.iter().filter(|_| why.is_empty()))
            {
                say::line(format_args!("  {line}"));
            }
            let failure = format!("{status}, see {}", path.display());
            let rest = std::iter::once(failure);
            Ok((Verdict::Failed, details.into_iter().chain(rest).collect()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the advisories could not be fetched, which says nothing about the dependencies.
fn is_unreachable(stderr: &str) -> bool {
    stderr.contains("failed to fetch advisory database")
}

/// What is kept of a check's output while it runs.
struct Watch {
    log: std::fs::File,
    last: VecDeque<String>,
    results: Results,
}

impl Watch {
    fn take(&mut self, line: &str) {
        // The log is a convenience: a full disk must not fail the check.
        let _ = writeln!(self.log, "{line}");
        self.results.add(line);
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_database_is_told_from_a_finding() {
        assert!(is_unreachable(
            "2026-01-02 03:04:05 [ERROR] failed to fetch advisory database https://github.com/R/a \
             with cli: failed to clone"
        ));
        assert!(!is_unreachable(
            "error[vulnerability]: Denial of service in x\nadvisories FAILED"
        ));
    }
}
