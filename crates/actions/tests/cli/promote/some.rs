//! Some processors go alone, and everything follows.

use super::super::project::git;
use super::{OPEN, World};

#[tokio::test(flavor = "multi_thread")]
async fn some_go_first_and_everything_follows() {
    let world = World::new(OPEN).await;
    let upper = world.pin("dev", "upper", "two").await;
    let lower = world.pin("dev", "lower", "two").await;
    let ran = world.promote("--processors text/upper@1").go().await.ok();
    assert!(!ran.stdout.contains("text/lower@1"), "{}", ran.stdout);
    assert_eq!(world.report()["partial"], true);
    let open = world.forge.open().await;
    assert_eq!(open.len(), 1);
    let ran = world
        .promote("--processors text/upper@1 --merge")
        .go()
        .await
        .ok();
    assert!(
        ran.stdout.contains("pull request #1 merged as "),
        "{}",
        ran.stdout
    );
    assert!(
        world
            .file("staging", "upper")
            .await
            .contains(&upper.to_string())
    );
    assert!(
        !world
            .file("staging", "lower")
            .await
            .contains(&lower.to_string())
    );

    // `dev` goes on before the rest follows: git alone would call that a conflict.
    let upper = world.pin("dev", "upper", "three").await;
    let ran = world.promote("--merge").go().await.ok();
    assert!(
        ran.stdout.contains("pull request #2 merged as "),
        "{}",
        ran.stdout
    );
    let git_dir = world.forge.git_dir();
    assert_eq!(git(&git_dir, &["diff", "dev", "staging"]).await, "");
    assert!(
        world
            .file("staging", "upper")
            .await
            .contains(&upper.to_string())
    );
    world.is_untouched().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_changes_of_the_target_are_not_overwritten() {
    let world = World::new(OPEN).await;
    world.pin("dev", "upper", "two").await;
    world
        .promote("--processors text/upper@1 --merge")
        .go()
        .await
        .ok();
    world.commit("staging", "code/hotfix.txt", "ours\n").await;
    world.pin("dev", "upper", "three").await;
    let ran = world.promote("--merge").go().await.ended(12).one_error();
    ran.says(&["merge pull request"]);
    let dry = world.promote("--dry-run").go().await.ok();
    let note = "note: both dev and staging have changed text/upper@1, and staging has other";
    assert!(dry.stdout.contains(note), "{}", dry.stdout);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_changed_back_goes_by_name_only() {
    let world = World::new(OPEN).await;
    let upper = world.pin("dev", "upper", "two").await;
    world.promote("--merge").go().await.ok();
    world.pin("staging", "upper", "one").await;
    world.pin("dev", "lower", "two").await;
    let ran = world.promote("--merge").go().await.ended(16).one_error();
    ran.says(&[
        "text/upper@1: staging changed this pin by itself",
        "--processors",
    ]);
    world
        .promote("--processors text/upper@1 --merge")
        .go()
        .await
        .ok();
    assert!(
        world
            .file("staging", "upper")
            .await
            .contains(&upper.to_string())
    );
    world.promote("--merge").go().await.ok();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_needs_its_place_in_the_target() {
    let world = World::new(OPEN).await;
    let file = "code/apps/core/registry/processors/text_title.yaml";
    let image = world.proofs.image("title", "one").await;
    let text = super::entry("title", &image.to_string());
    let dockerfile = super::project::dockerfile_of("title");
    world.commit("dev", &dockerfile, "FROM scratch\n").await;
    world.commit("dev", file, &text).await;
    let ran = world.promote("--processors text/title@1").go().await;
    ran.ended(16).one_error().says(&[
        "text/title@1: no registry file in staging has this pin",
        "hint: promote everything once",
    ]);
    world.promote("--merge").go().await.ok();
    assert!(
        world
            .file("staging", "title")
            .await
            .contains(&image.to_string())
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wrong_once_stops_nobody() {
    let world = World::new(OPEN).await;
    let file = "code/apps/core/registry/processors/text_broken.yaml";
    world.commit("dev", file, "ref: [\n").await;
    let repo = world.bench.repo();
    git(&repo, &["push", "--quiet", "origin", "HEAD:staging"]).await;
    let mended = super::entry("broken", "sha256:pending") + "enabled: false\n";
    // Both mend it, each in its own way.
    let dockerfile = super::project::dockerfile_of("broken");
    for (branch, text) in [
        ("dev", "FROM scratch\n"),
        ("staging", "# ours\nFROM scratch\n"),
    ] {
        world.commit(branch, &dockerfile, text).await;
        world.commit(branch, file, &mended).await;
    }
    let upper = world.pin("dev", "upper", "two").await;
    let ran = world.promote("--dry-run").go().await.ok();
    let note = "note: what staging changed by itself is not known";
    assert!(ran.stdout.contains(note), "{}", ran.stdout);
    let some = "--processors text/upper@1 --merge";
    world.promote(some).go().await.ok();
    assert!(
        world
            .file("staging", "upper")
            .await
            .contains(&upper.to_string())
    );
    world.stop().await;
}
