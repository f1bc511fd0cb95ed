use std::path::{Path, PathBuf};

use pr_checks::{Changes, Check, ChecksError, ChecksReport, Options, Plan};
use tokio_util::sync::CancellationToken;

/// A repository for one test.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
    cache: tempfile::TempDir,
}

impl Repository {
    pub(crate) async fn new() -> Self {
        let repository = Self {
            folder: tempfile::tempdir().unwrap(),
            cache: tempfile::tempdir().unwrap(),
        };
        repository
            .git(&["init", "--quiet", "--initial-branch=dev"])
            .await;
        repository
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(crate) fn cache(&self) -> &Path {
        self.cache.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(path)).unwrap_or_default()
    }

    pub(crate) async fn git(&self, args: &[&str]) {
        process::Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@example.com"])
            .args(["-c", "commit.gpgSign=false"])
            .args(args)
            .current_dir(self.folder.path())
            .run(&CancellationToken::new())
            .await
            .expect("git is needed: apt-get install git");
    }

    pub(crate) async fn commit(&self) {
        self.git(&["add", "--all"]).await;
        self.git(&["commit", "--quiet", "--message", "x"]).await;
    }

    pub(crate) fn options(&self, jobs: usize) -> Options {
        Options {
            root: self.root(),
            cache: Some(self.cache.path().to_path_buf()),
            jobs,
        }
    }

    pub(crate) async fn plan(
        &self,
        checks: &[Check],
        changes: Option<Changes>,
    ) -> Result<Plan, ChecksError> {
        let cancel = CancellationToken::new();
        let facts = pr_checks::observe(checks, changes, &self.options(2), &cancel).await?;
        pr_checks::plan(checks, &facts)
    }

    pub(crate) async fn run(&self, checks: &[Check]) -> ChecksReport {
        let plan = self.plan(checks, None).await.unwrap();
        pr_checks::run(&plan, &self.options(2), &CancellationToken::new())
            .await
            .unwrap()
    }
}

/// A check from its JSON, as a file of settings has it.
pub(crate) fn check(json: serde_json::Value) -> Check {
    serde_json::from_value(json).unwrap()
}

/// A check that is a line of shell.
pub(crate) fn shell(name: &str, script: &str) -> Check {
    check(serde_json::json!({
        "name": name,
        "command": ["sh", "-c", script],
        // Not every shell has a version.
        "versions": [["true"]],
    }))
}

/// One line a check, then one a finding, as people read them.
pub(crate) fn shown(report: &ChecksReport) -> String {
    let checks = report
        .checks
        .iter()
        .map(|check| format!("{}: {:?}: {}", check.name, check.verdict, check.why));
    let findings = report.findings.iter().map(|found| {
        let file = found.file.as_deref().unwrap_or("-");
        let line = found.line.map_or("-".to_owned(), |line| line.to_string());
        format!(
            "  {:?} {file}:{line} {} {}: {}",
            found.severity, found.check, found.rule, found.message
        )
    });
    checks.chain(findings).collect::<Vec<_>>().join("\n")
}
