//! What the Docker engine holds, to see that nothing is left behind.

use std::collections::BTreeSet;

use process::Command;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// Rehearsals of one test binary take turns, so that each can compare the engine before and after.
static TURN: Mutex<()> = Mutex::const_new(());

/// Everything in the engine that a rehearsal could leave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    containers: BTreeSet<String>,
    networks: BTreeSet<String>,
    volumes: BTreeSet<String>,
    images: BTreeSet<String>,
}

impl Engine {
    /// Waits for this test's turn, and looks.
    pub(crate) async fn mine() -> (MutexGuard<'static, ()>, Self) {
        let turn = TURN.lock().await;
        (turn, Self::look().await)
    }

    pub(crate) async fn look() -> Self {
        Self {
            containers: list(&["ps", "--all", "--format", "{{.ID}} {{.Image}} {{.Names}}"]).await,
            networks: list(&["network", "ls", "--format", "{{.Name}}"]).await,
            volumes: list(&["volume", "ls", "--format", "{{.Name}}"]).await,
            images: list(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).await,
        }
    }

    /// Fails when the engine holds anything that it did not hold before.
    pub(crate) async fn assert_as_before(&self) {
        let now = Self::look().await;
        let added = |now: &BTreeSet<String>, before: &BTreeSet<String>| -> Vec<String> {
            now.difference(before).cloned().collect()
        };
        let left = [
            added(&now.containers, &self.containers),
            added(&now.networks, &self.networks),
            added(&now.volumes, &self.volumes),
            added(&now.images, &self.images),
        ];
        assert!(left.iter().all(Vec::is_empty), "left behind: {left:?}");
    }
}

async fn list(args: &[&str]) -> BTreeSet<String> {
    let output = Command::new("docker")
        .args(args)
        .run(&CancellationToken::new())
        .await;
    let output = output.unwrap_or_else(|error| panic!("{error}: run `cargo xtask setup`"));
    output.stdout_text().lines().map(str::to_owned).collect()
}
