//! What the source leaves out of sight, or changes beside the pins, does not come along unseen.

use super::super::project::{entry, file_of, git};
use super::super::receipts::public_pem;
use super::{OPEN, World};

/// What `dev` has now is what `staging` has.
async fn settle(world: &World) {
    let repo = world.bench.repo();
    let from_dev = "refs/remotes/origin/dev:refs/heads/staging";
    git(&repo, &["fetch", "--quiet", "origin"]).await;
    git(&repo, &["push", "--quiet", "origin", from_dev]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_the_source_does_not_name_is_asked_about() {
    let world = World::new("").await;
    let pinned = |image: &str| {
        let oci = format!("  oci:   {image} # the bot writes here");
        entry("upper", image).replace(&oci, &format!("  platforms:\n      amd64: {image}"))
    };
    let old = world.proofs.image("upper", "one").await.to_string();
    world.commit("dev", &file_of("upper"), &pinned(&old)).await;
    settle(&world).await;
    let new = world.proofs.image("upper", "two").await;
    let text = pinned(&new.to_string());
    world.commit("dev", &file_of("upper"), &text).await;
    let hides = "platforms: [linux/arm64]\n";
    world.commit("dev", "pipeline.yml", hides).await;
    let ran = world.promote("--merge").go().await.ended(16).one_error();
    let short = new.digest.short();
    ran.says(&[&format!("text/upper@1: no receipt of acceptance ({short})")]);
    world.is_untouched().await;
    // The pins are read again as they were planned, whatever came along.
    world.prove(&new).await;
    world.promote("--merge").go().await.ok();
    let moved = world.report()["moves"][0]["platform"].clone();
    assert_eq!(moved, "linux/amd64");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_disabled_or_left_out_brings_no_other_image() {
    let world = World::new(OPEN).await;
    let new = world.proofs.image("upper", "two").await;
    world.pin("dev", "lower", "two").await;
    let disabled = entry("upper", &new.to_string()) + "enabled: false\n";
    let all = entry("upper", &new.to_string());
    let left_out = format!("{OPEN}registry-files: ['code/**/text_lower.yaml']\n");
    let why = format!(
        "text/upper@1: dev has {} out of sight, where staging pins another",
        new.digest.short()
    );
    for (settings, text) in [(OPEN, &disabled), (left_out.as_str(), &all)] {
        world.commit("dev", &file_of("upper"), text).await;
        if settings != OPEN {
            world.commit("dev", "pipeline.yml", settings).await;
        }
        let ran = world.promote("--merge").go().await.ended(16).one_error();
        ran.says(&[&why, "--processors leaves it as it is"]);
        let bypass = world.promote("--merge --bypass --why no");
        let ran = bypass.env("GITHUB_ACTOR", "octocat").go().await;
        ran.ended(16).one_error().says(&[&why]);
        world.is_untouched().await;
    }
    let lower = "--processors text/lower@1 --merge";
    world.promote(lower).go().await.ok();
    // One that only was disabled, with the image that both have, is no secret.
    let old = world.proofs.image("upper", "one").await;
    let disabled = entry("upper", &old.to_string()) + "enabled: false\n";
    world.commit("dev", &file_of("upper"), &disabled).await;
    world.pin("dev", "lower", "three").await;
    world.promote("--merge").go().await.ok();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rules_are_merged_by_people() {
    let world = World::new("").await;
    let rules = "promotion: {require: []}\nreceipts: {accept-bypass: true}\n";
    world.commit("dev", "pipeline.yml", rules).await;
    let upper = world.pin("dev", "upper", "two").await;
    world.prove(&upper).await;
    let ran = world.promote("--merge").go().await.ended(16).one_error();
    ran.says(&[
        "it would change the rules of `staging`: `promotion` of pipeline.yml, `receipts` of",
        "hint: leave --merge out",
    ]);
    world.is_untouched().await;

    let ran = world.promote("").go().await.ok();
    let note = "note: this brings other rules to staging: `promotion` of pipeline.yml";
    assert!(ran.stdout.contains(note), "{}", ran.stdout);
    let shown = world.forge.repo().pull_request(1).await.unwrap();
    let marked = "**Changes the rules of `staging`**";
    assert!(shown.body.contains(marked), "{}", shown.body);
    let some = "--processors text/upper@1 --dry-run";
    let ran = world.promote(some).go().await.ok();
    assert!(!ran.stdout.contains("other rules"), "{}", ran.stdout);

    let run = world.promote("--merge --bypass --why agreed");
    run.env("GITHUB_ACTOR", "octocat").go().await.ok();
    assert_eq!(world.report()["bypass"]["by"], "octocat");
    // Now they are the rules of both.
    world.pin("dev", "upper", "three").await;
    world.promote("--merge").go().await.ok();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_another_rule() {
    let keys = format!("{OPEN}receipts: {{keys: [ci.pub]}}\n");
    let world = World::new(&keys).await;
    world.commit("dev", "ci.pub", &public_pem(1)).await;
    settle(&world).await;
    world.commit("dev", "ci.pub", &public_pem(2)).await;
    world.pin("dev", "upper", "two").await;
    let ran = world.promote("--merge").go().await.ended(16).one_error();
    ran.says(&["it would change the rules of `staging`: the key `ci.pub`"]);
    world.is_untouched().await;
    world.stop().await;
}
