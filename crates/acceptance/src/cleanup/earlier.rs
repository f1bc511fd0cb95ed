//! What runs that were killed left behind: nobody but the next run can remove it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join, join_all};
use jiff::Timestamp;
use process::Command;
use tokio_util::sync::CancellationToken;

use super::claim::{self, Abandoned, PREFIX};
use super::{Family, KINDS, LABEL, PATIENCE, remove_all};

/// Of a run whose claim cannot be seen, because it was of another user or on another machine with
/// the same engine, only the age is known. None takes that long.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes what runs left on `engine`, the address of this machine's, that are not under way any more.
/// What cannot be removed is told, and keeps nobody from working.
pub(crate) async fn remove(engine: Option<&str>, cancel: &CancellationToken) {
    let known = match claim::known(engine, cancel).await {
        Ok(known) => known,
        Err(error) => {
            tracing::warn!(%error, "cannot look for what killed runs left");
            return;
        }
    };
    let strays = match engine {
        Some(_) => {
            let mut found = projects(cancel).await;
            let abandoned = known.abandoned.iter().map(|it| &it.project);
            for project in abandoned.chain(&known.others) {
                found.remove(project);
            }
            let now = Timestamp::now();
            found.retain(|project| is_stray(project, now));
            found
        }
        None => BTreeSet::new(),
    };
    let abandoned = known.abandoned.into_iter().map(clear);
    let strays = strays.iter().map(|project| take_down(project));
    join(join_all(abandoned), join_all(strays)).await;
}

async fn clear(abandoned: Abandoned) {
    if take_down(&abandoned.project).await {
        abandoned.close();
    }
}

async fn take_down(project: &str) -> bool {
    tracing::info!(target: "pipeline::progress", stage = "acceptance", item = %project, "removing what a killed run left");
    let down = remove_all(project, None, &Family::default(), false).await;
    if let Err(error) = &down {
        tracing::warn!(%error, "cannot remove what a killed run left");
    }
    down.is_ok()
}

/// Every project of this stage that the engine has something of.
async fn projects(cancel: &CancellationToken) -> BTreeSet<String> {
    let label = format!("label={LABEL}");
    let of_label = format!("{{{{.Label \"{LABEL}\"}}}}");
    let named = format!("reference={PREFIX}*");
    let lists = KINDS.map(|kind| {
        let (filter, format) = match kind.by_name {
            true => (&named, "{{.Repository}}"),
            false => (&label, &*of_label),
        };
        let list = kind.list.iter().filter(|word| !word.starts_with("--quiet"));
        Command::new("docker")
            .args(list)
            .args(["--filter", filter, "--format", format])
            .timeout(PATIENCE)
            .run(cancel)
    });
    let mut found = BTreeSet::new();
    for listed in join_all(lists).await {
        match listed {
            Ok(listed) => found.extend(listed.stdout_text().lines().map(str::to_owned)),
            Err(error) => tracing::debug!(%error, "cannot look for what killed runs left"),
        }
    }
    found
}

/// Whether a project is of this stage, and older than any that is under way.
fn is_stray(project: &str, now: Timestamp) -> bool {
    let Some(made) = claim::made_at(project) else {
        return false;
    };
    now.duration_since(made).unsigned_abs() > LONGEST_RUN && made < now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_stage_that_are_old_are_strays() {
        let made: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let name = format!("{PREFIX}{:012x}-0123abcd", made.as_millisecond());
        let after = |hours: u64| made + Duration::from_secs(hours * 3600);
        assert!(is_stray(&name, after(25)));
        assert!(!is_stray(&name, after(23)));
        // A clock that is wrong must not make a run old.
        let before: Timestamp = "2025-12-01T00:00:00Z".parse().unwrap();
        assert!(!is_stray(&name, before));
        for other in [
            "pipeline-accept-mine",
            "pipeline-accept-000000000000-0123ABCD",
            "pipeline-accept-0-1",
            "shop",
        ] {
            assert!(!is_stray(other, after(25)), "{other}");
        }
    }
}
