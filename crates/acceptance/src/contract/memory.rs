//! How much memory the processes of a container hold.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;

const EVERY: Duration = Duration::from_millis(10);
/// The engine takes its time to answer.
const EVERY_ASKED: Duration = Duration::from_millis(50);
/// Before it runs: it may end at once.
const EVERY_AT_FIRST: Duration = Duration::from_millis(1);
/// What starts a container is in its group until the processor takes its place, and holds more than
/// some of those do.
const STARTERS: [&str; 3] = ["runc", "crun", "youki"];
const ROOT: &str = "/sys/fs/cgroup";
/// What processes hold that is backed by no file, in version 2 and 1 of control groups.
const HELD: [&str; 3] = ["anon", "total_rss", "rss"];

/// `memory.stat` of a container that does not run yet: beside that of `neighbour`, which does. `None`
/// when their engine is not on this machine.
pub(super) async fn place(docker: &Docker, container: &str, neighbour: &str) -> Option<PathBuf> {
    let details = docker.inspect_container(neighbour, None).await.ok()?;
    let (id, pid) = (details.id?, details.state?.pid?);
    let file = group_of(&id, pid)?;
    let own = docker.inspect_container(container, None).await.ok()?.id?;
    Some(file.to_str()?.replace(&id, &own).into())
}

/// Looks again and again while the container of `place` is being started, for ever; keeps the most that
/// it saw of the processor.
pub(super) async fn watch_start(place: Option<&Path>, peak: &mut Option<u64>) {
    let Some(place) = place else {
        return std::future::pending().await;
    };
    loop {
        if peak.is_some() || runs(place) {
            *peak = (*peak).max(read(place));
        }
        tokio::time::sleep(EVERY_AT_FIRST).await;
    }
}

/// Whether there is more in the group of this file than what starts it.
fn runs(place: &Path) -> bool {
    let listed = std::fs::read_to_string(place.with_file_name("cgroup.procs")).unwrap_or_default();
    listed.lines().any(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| !STARTERS.iter().any(|starter| name.starts_with(starter)))
    })
}

/// Looks again and again, for ever; keeps the most that it saw. `place` is where it should be counted.
pub(super) async fn watch(
    docker: &Docker,
    container: &str,
    place: Option<&Path>,
    peak: &mut Option<u64>,
) {
    let group = match place.filter(|place| place.is_file()) {
        Some(place) => Some(place.to_owned()),
        None => local_group(docker, container).await,
    };
    loop {
        let now = match &group {
            Some(group) => read(group),
            None => ask(docker, container).await,
        };
        *peak = (*peak).max(now);
        tokio::time::sleep(if group.is_some() { EVERY } else { EVERY_ASKED }).await;
    }
}

/// `memory.stat` of the container, when its engine is on this machine.
async fn local_group(docker: &Docker, container: &str) -> Option<PathBuf> {
    let details = docker.inspect_container(container, None).await.ok()?;
    group_of(&details.id?, details.state?.pid?)
}

fn group_of(id: &str, pid: i64) -> Option<PathBuf> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    // A process of that number on another machine is in no group of that name.
    let mut lines = groups.lines().filter(|line| line.contains(id));
    lines.find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        let root = match controllers {
            "" => Path::new(ROOT).to_owned(),
            "memory" => Path::new(ROOT).join("memory"),
            _ => return None,
        };
        let file = root.join(path).join("memory.stat");
        file.is_file().then_some(file)
    })
}

fn read(file: &Path) -> Option<u64> {
    held(&std::fs::read_to_string(file).ok()?)
}

fn held(stat: &str) -> Option<u64> {
    HELD.iter().find_map(|name| {
        let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
        let (_, bytes) = lines.find(|(key, _)| key == name)?;
        bytes.trim().parse().ok()
    })
}

async fn ask(docker: &Docker, container: &str) -> Option<u64> {
    let options = StatsOptionsBuilder::new()
        .stream(false)
        .one_shot(true)
        .build();
    let answer = docker
        .stats(container, Some(options))
        .boxed()
        .next()
        .await?
        .ok()?;
    let stats = answer.memory_stats?.stats?;
    HELD.iter().find_map(|name| stats.get(*name).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_control_groups_are_read() {
        assert_eq!(held("anon 4096\nfile 100000\n"), Some(4096));
        assert_eq!(
            held("cache 9\nrss 1\ntotal_cache 9\ntotal_rss 8192\n"),
            Some(8192)
        );
        assert_eq!(held("cache 9\n"), None);
    }
}
