//! Programs that outlive the run that started them.

use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};

/// By which a program of a stack is known; see [`crate::suite::stack_env`].
const MARK: &str = "COMPOSE_PROJECT_NAME";
/// What is killed may just have started another.
const ROUNDS: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// Kills every process that has `project` in its environment. Those of other users cannot be seen.
pub(super) async fn end(project: &str) {
    for _ in 0..ROUNDS {
        let found = of(project);
        if found.is_empty() {
            return;
        }
        tracing::debug!(project, ?found, "ending what is left");
        for process in found {
            if let Err(error) = kill_process(process, Signal::KILL) {
                tracing::debug!(%error, "ended by itself");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!(project, "cannot end what is left");
}

fn of(project: &str) -> Vec<Pid> {
    let mark = format!("{MARK}={project}");
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let marked = entries.flatten().filter_map(|entry| {
        let process = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0);
        let is_marked = variables.any(|variable| variable == mark.as_bytes());
        (is_marked && process != getpid()).then_some(process)
    });
    marked.collect()
}
