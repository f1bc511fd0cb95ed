//! Programs that outlive the run that started them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};

/// By which a program of a stack is known; see [`crate::suite::stack_env`].
const MARK: &str = "COMPOSE_PROJECT_NAME";
/// What is killed may just have started another.
const ROUNDS: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(100);

/// All that was seen of a run while it ran. A program may give its children another environment, and
/// end before they do: then nothing tells any more whose they were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family(Arc<Mutex<BTreeSet<Process>>>);

/// A number is given again to another process, and not at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Process {
    id: i32,
    /// In ticks since the machine started.
    started: u64,
}

impl Family {
    /// Looks again and again, for ever, who belongs to `project`.
    pub(crate) async fn watch(&self, project: &str) -> Infallible {
        loop {
            self.look(project);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Those that are there now.
    fn look(&self, project: &str) -> Vec<Pid> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let marked = of(project);
        let mut there: Vec<(Process, i32)> = all();
        let own = getpid().as_raw_nonzero().get();
        there.retain(|(process, _)| process.id != own);
        let mut found = BTreeSet::new();
        for (process, _) in &there {
            let is_marked = || {
                marked
                    .iter()
                    .any(|it| it.as_raw_nonzero().get() == process.id)
            };
            if known.contains(process) || is_marked() {
                found.insert(process.id);
            }
        }
        // Until there are no more children.
        loop {
            let before = found.len();
            let children = there.iter().filter(|(_, parent)| found.contains(parent));
            let children: Vec<i32> = children.map(|(process, _)| process.id).collect();
            found.extend(children);
            if found.len() == before {
                break;
            }
        }
        *known = there
            .into_iter()
            .map(|(process, _)| process)
            .filter(|process| found.contains(&process.id))
            .collect();
        found.into_iter().filter_map(Pid::from_raw).collect()
    }
}

/// Every process that has not ended, with its parent.
fn all() -> Vec<(Process, i32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let read = entries.flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        parse(
            id,
            &std::fs::read_to_string(entry.path().join("stat")).ok()?,
        )
    });
    read.collect()
}

/// Of `/proc/<id>/stat`; source: proc_pid_stat(5). The name may have blanks and brackets in it.
fn parse(id: i32, stat: &str) -> Option<(Process, i32)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let (state, parent, started) = (fields.first()?, fields.get(1)?, fields.get(19)?);
    let started = started.parse().ok()?;
    (*state != "Z").then_some((Process { id, started }, parent.parse().ok()?))
}

/// Kills every process that has `project` in its environment, or was seen to come from one that has.
/// Those of other users cannot be seen.
pub(super) async fn end(project: &str, family: &Family) {
    for _ in 0..ROUNDS {
        let found = family.look(project);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_processes_may_say_anything() {
        let rest = "S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 1000";
        let process = Process {
            id: 9,
            started: 4711,
        };
        for name in ["a", "a) S 1 (b", ") ", "x y"] {
            let stat = format!("9 ({name}) {rest}");
            assert_eq!(parse(9, &stat), Some((process, 7)), "{name}");
        }
        assert_eq!(parse(9, &format!("9 (a) {}", rest.replace('S', "Z"))), None);
        assert_eq!(parse(9, "9 (a) S 7"), None);
    }
}
