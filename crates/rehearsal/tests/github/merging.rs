use github::{CommitSha, GithubError, MergeMethod};

use crate::support::*;

#[tokio::test]
async fn squash_and_rebase_leave_one_line_of_commits() {
    let world = World::new().await;
    let first = world.commit("dev", "one", &[("a", b"1")]).await;
    world.commit("dev", "two", &[("b", b"1")]).await;
    let second = world.commit("two", "two-more", &[("c", b"1")]).await;

    let pull = world.open("one", "dev").await;
    let squashed = world
        .repo
        .merge_pull_request(pull.number, MergeMethod::Squash, &first)
        .await
        .unwrap();
    let pull = world.open("two-more", "dev").await;
    let rebased = world
        .repo
        .merge_pull_request(pull.number, MergeMethod::Rebase, &second)
        .await
        .unwrap();

    assert_eq!(world.head("dev").await, rebased);
    let range = format!("{squashed}~1..dev");
    let subjects = world.git(&["log", "--format=%s", &range]).await;
    assert_eq!(
        subjects.lines().collect::<Vec<_>>(),
        [
            "ci: pin processor images (bot)",
            "ci: pin processor images (bot)",
            "Pin processor images (#1)"
        ]
    );
    let files = world
        .git(&["ls-tree", "--name-only", "dev", "a", "b", "c"])
        .await;
    assert_eq!(files, "a\nb\nc");
}

#[tokio::test]
async fn merging_refuses_what_has_moved_and_what_conflicts() {
    let world = World::new().await;
    let stale = world
        .commit("dev", "change", &[("README.md", b"ours\n")])
        .await;
    world.open("change", "dev").await;
    let fresh = world.commit("change", "more", &[("x", b"1")]).await;
    world
        .repo
        .update_branch("change", &fresh, false)
        .await
        .unwrap();

    let merge = async |expected: &CommitSha| {
        let merged = world
            .repo
            .merge_pull_request(1, MergeMethod::Merge, expected)
            .await;
        merged.unwrap_err()
    };
    assert!(matches!(merge(&stale).await, GithubError::Moved { .. }));

    let rival = world
        .commit("dev", "rival", &[("README.md", b"theirs\n")])
        .await;
    world
        .repo
        .update_branch("dev", &rival, false)
        .await
        .unwrap();
    let conflict = merge(&fresh).await;
    assert!(
        matches!(conflict, GithubError::NotMergeable { .. }),
        "{conflict}"
    );
    assert_eq!(world.head("dev").await, rival);
    assert_eq!(
        conflict.to_string(),
        "merge pull request 1 in acme/processors: it cannot be merged (Pull Request is not mergeable)"
    );
    let comparison = world.repo.compare("dev", "change").await.unwrap();
    assert_eq!((comparison.ahead_by, comparison.behind_by), (2, 1));
}
