use std::sync::Arc;

use github::GithubError;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn what_exists_is_not_made_twice_and_not_overwritten() {
    let world = World::new().await;
    world.commit("dev", "bot/pin", &[("a", b"1")]).await;
    let before = world.head("bot/pin").await;

    let again = commit(&world.repo, "dev", "bot/pin", &[("a", b"2")]).await;
    assert!(
        matches!(again, Err(GithubError::AlreadyExists { .. })),
        "{again:?}"
    );
    assert_eq!(world.head("bot/pin").await, before);

    world.open("bot/pin", "dev").await;
    let again = world
        .repo
        .create_pull_request(&pull_request("bot/pin", "dev"))
        .await;
    assert!(
        matches!(again, Err(GithubError::AlreadyExists { .. })),
        "{again:?}"
    );

    // Closed is closed, and then there may be a new one.
    world.repo.close_pull_request(1).await.unwrap();
    assert_eq!(world.open("bot/pin", "dev").await.number, 2);
}

#[tokio::test]
async fn branches_are_moved_by_compare_and_swap() {
    let world = World::new().await;
    let base = world.head("dev").await;
    let ours = world.commit("dev", "ours", &[("a", b"1")]).await;
    let theirs = world.commit("dev", "theirs", &[("b", b"1")]).await;
    world.repo.create_branch("shared", &base).await.unwrap();

    world
        .repo
        .update_branch("shared", &theirs, false)
        .await
        .unwrap();
    let late = world
        .repo
        .update_branch("shared", &ours, false)
        .await
        .unwrap_err();
    assert!(matches!(late, GithubError::Moved { .. }), "{late}");
    assert_eq!(world.head("shared").await, theirs);

    world
        .repo
        .update_branch("shared", &ours, true)
        .await
        .unwrap();
    assert_eq!(world.head("shared").await, ours);

    let missing = world
        .repo
        .update_branch("no-such", &ours, false)
        .await
        .unwrap_err();
    assert!(matches!(missing, GithubError::NotFound { .. }), "{missing}");
}

#[tokio::test]
async fn deleting_a_branch_closes_its_pull_request() {
    let world = World::new().await;
    let sha = world.commit("dev", "change", &[("a", b"1")]).await;
    world.open("change", "dev").await;
    assert!(world.repo.delete_branch("change").await.unwrap());
    let (_, json) = world.call(reqwest::Method::GET, "/pulls/1", "").await;
    assert_eq!(
        (&json["state"], &json["merged"]),
        (&json!("closed"), &json!(false))
    );
    assert_eq!(json["head"]["sha"], sha.as_str());
    assert_eq!(
        world
            .repo
            .find_open_pull_requests(None, None)
            .await
            .unwrap(),
        []
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_that_create_a_branch_one_wins() {
    let world = Arc::new(World::new().await);
    let base = world.head("dev").await;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let content = format!("{number}");
                commit(
                    &world.repo,
                    "dev",
                    "race",
                    &[("winner", content.as_bytes())],
                )
                .await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(commit) => winners.push(commit.sha),
            Err(GithubError::AlreadyExists { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(winners, [world.head("race").await]);

    // And of twenty that move it forwards from the same commit.
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let branch = format!("mover-{number}");
                let sha = world
                    .commit("race", &branch, &[("mover", branch.as_bytes())])
                    .await;
                world
                    .repo
                    .update_branch("race", &sha, false)
                    .await
                    .map(|()| sha)
            })
        })
        .collect();
    let mut moved = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => moved += 1,
            Err(GithubError::Moved { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    let count = world
        .git(&["rev-list", "--count", &format!("{base}..race")])
        .await;
    assert_eq!(
        count,
        (moved + 1).to_string(),
        "each move adds one commit, none is lost"
    );
    world.git(&["fsck", "--strict"]).await;
}

#[tokio::test]
async fn a_branch_is_replaced_or_deleted_only_where_it_is_expected() {
    let world = World::new().await;
    let base = world.head("dev").await;
    let ours = world.commit("dev", "ours", &[("a", b"1")]).await;
    let theirs = world.commit("dev", "bot/pin", &[("b", b"1")]).await;
    let repo = &world.repo;
    let moved = repo.replace_branch("bot/pin", &base, &ours).await;
    assert!(matches!(moved, Err(GithubError::Moved { .. })), "{moved:?}");
    repo.replace_branch("bot/pin", &theirs, &ours)
        .await
        .unwrap();
    assert!(!repo.delete_branch_at("bot/pin", &theirs).await.unwrap());
    assert!(repo.delete_branch_at("bot/pin", &ours).await.unwrap());
    assert_eq!(repo.branches("bot/").await.unwrap(), []);
    assert_eq!(
        repo.branches("o").await.unwrap(),
        [("ours".to_owned(), ours)]
    );
}

#[tokio::test]
async fn what_is_pushed_in_the_very_moment_stays() {
    let world = World::new().await;
    let ours = world.commit("dev", "ours", &[("a", b"1")]).await;
    let before = world.commit("dev", "bot/pin", &[("a", b"0")]).await;
    let precious = world.commit("bot/pin", "precious", &[("b", b"1")]).await;
    let (repo, recorder) = (&world.repo, &world.recorder);

    recorder.meanwhile(world.bare(), "bot/pin", &precious);
    let moved = repo.replace_branch("bot/pin", &before, &ours).await;
    assert!(matches!(moved, Err(GithubError::Moved { .. })), "{moved:?}");
    assert_eq!(world.head("bot/pin").await, precious);

    world
        .git(&["update-ref", "refs/heads/bot/pin", before.as_str()])
        .await;
    world.open("bot/pin", "dev").await;
    recorder.meanwhile(world.bare(), "bot/pin", &precious);
    assert!(!repo.delete_branch_at("bot/pin", &before).await.unwrap());
    assert_eq!(world.head("bot/pin").await, precious);

    // A branch that nobody pushes to is moved, and deleted with its request.
    repo.replace_branch("bot/pin", &precious, &ours)
        .await
        .unwrap();
    assert_eq!(world.head("bot/pin").await, ours);
    assert!(repo.delete_branch_at("bot/pin", &ours).await.unwrap());
    assert_eq!(repo.find_open_pull_requests(None, None).await.unwrap(), []);
    // Once it is gone, it is nowhere to be moved from.
    let gone = repo.replace_branch("bot/pin", &ours, &before).await;
    assert!(matches!(gone, Err(GithubError::Moved { .. })), "{gone:?}");
    // What GitHub refuses for another reason is told as it is.
    let dev = world.head("dev").await;
    let refused = repo.delete_branch_at("dev", &dev).await;
    assert!(
        matches!(refused, Err(GithubError::Rejected { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_server_that_cannot_swap_is_asked_before_and_after() {
    let world = World::new().await;
    world.recorder.make_old();
    let ours = world.commit("dev", "ours", &[("a", b"1")]).await;
    let theirs = world.commit("dev", "bot/pin", &[("b", b"1")]).await;
    let repo = &world.repo;
    let moved = repo.replace_branch("bot/pin", &ours, &theirs).await;
    assert!(matches!(moved, Err(GithubError::Moved { .. })), "{moved:?}");
    repo.replace_branch("bot/pin", &theirs, &ours)
        .await
        .unwrap();
    assert!(!repo.delete_branch_at("bot/pin", &theirs).await.unwrap());
    assert!(repo.delete_branch_at("bot/pin", &ours).await.unwrap());
    assert_eq!(repo.branches("bot/").await.unwrap(), []);
}
