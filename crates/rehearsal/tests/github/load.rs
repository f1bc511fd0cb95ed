//! Many clients at once on one repository.

use std::sync::Arc;
use std::time::{Duration, Instant};

use github::GithubError;

use crate::support::*;

/// Far more than it takes, and far less than a hang.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_lose_nothing() {
    let world = Arc::new(World::new().await);
    let base = world.head("dev").await;
    world.repo.create_branch("shared", &base).await.unwrap();
    let start = Instant::now();
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { one_of_many(&world, number).await })
        })
        .collect();
    let mut moved = Vec::new();
    for task in tasks {
        moved.extend(task.await.unwrap());
    }
    assert!(start.elapsed() < LIMIT, "took {:?}", start.elapsed());

    // Every branch and request is there, once.
    let branches = world.repo.branches("bot/pin-").await.unwrap();
    assert_eq!(branches.len(), 100);
    let open = world.repo.find_open_pull_requests(None, Some("dev")).await;
    let mut numbers: Vec<u64> = open.unwrap().iter().map(|pull| pull.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    // Of the commits that all have the same parent, one could move the shared branch forwards.
    assert_eq!(moved, [world.head("shared").await]);
    world.git(&["fsck", "--strict"]).await;
}

/// A pull request of its own, and a try to move the branch that all want.
async fn one_of_many(world: &World, number: usize) -> Option<github::CommitSha> {
    let branch = format!("bot/pin-{number}");
    let text = format!("image: {number}\n");
    let file = format!("registry/{number}.yaml");
    let sha = world
        .commit("dev", &branch, &[(&file, text.as_bytes())])
        .await;
    world.open(&branch, "dev").await;
    match world.repo.update_branch("shared", &sha, false).await {
        Ok(()) => Some(sha),
        Err(GithubError::Moved { .. }) => None,
        Err(other) => panic!("{other:?}"),
    }
}
