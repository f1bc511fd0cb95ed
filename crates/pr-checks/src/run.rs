use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use crate::{Check, CheckReport, ChecksReport, Finding, Parser, Verdict, ruff};

/// Runs `checks` below `root`, at most `jobs` at once, and reports every one of them.
pub async fn run(
    checks: &[Check],
    root: &Path,
    jobs: usize,
    cancel: &CancellationToken,
) -> ChecksReport {
    let checks = futures_util::stream::iter(checks)
        .map(|check| one(check, root, cancel))
        .buffered(jobs.max(1))
        .collect()
        .await;
    ChecksReport { schema: 1, checks }
}

async fn one(check: &Check, root: &Path, cancel: &CancellationToken) -> CheckReport {
    let started = Instant::now();
    tracing::info!(target: "pipeline::progress", stage = "checks", item = %check.name, "started");
    let (verdict, findings, detail) = outcome(check, root, cancel).await;
    tracing::info!(target: "pipeline::progress", stage = "checks", item = %check.name, "{}", match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Interrupted => "interrupted",
    });
    CheckReport {
        name: check.name.clone(),
        verdict,
        seconds: started.elapsed().as_secs_f64(),
        findings,
        detail,
    }
}

async fn outcome(
    check: &Check,
    root: &Path,
    cancel: &CancellationToken,
) -> (Verdict, Vec<Finding>, Option<String>) {
    let Some((program, args)) = check.command.split_first() else {
        return (
            Verdict::Failed,
            Vec::new(),
            Some("its command is empty".to_owned()),
        );
    };
    let run = Command::new(program)
        .args(args)
        .current_dir(root.join(&check.directory))
        .timeout(Duration::from_secs(check.timeout_seconds))
        .run(cancel)
        .await;
    let stdout = match &run {
        Ok(output) => output.stdout.clone(),
        Err(ProcessError::Failed { stdout, .. }) => stdout.clone().into_bytes(),
        Err(_) => Vec::new(),
    };
    match run {
        Ok(_) => (Verdict::Passed, Vec::new(), None),
        Err(error) if error.is_cancelled() => (Verdict::Interrupted, Vec::new(), None),
        Err(error) => {
            let findings = match check.parser {
                Parser::RuffJson => ruff::findings(&stdout, root).unwrap_or_default(),
                Parser::ExitCode => Vec::new(),
            };
            let detail = findings.is_empty().then(|| {
                let shown = String::from_utf8_lossy(&stdout);
                format!("{error}\n{}", last_lines(&shown, 40))
                    .trim_end()
                    .to_owned()
            });
            (Verdict::Failed, findings, detail)
        }
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
