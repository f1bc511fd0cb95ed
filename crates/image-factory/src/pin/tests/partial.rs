//! Runs for some of the processors, beside runs for all.

use super::*;

fn only(world: &World, name: &str, digit: char) -> PinChanges {
    changes(&report(&[(name, None, digit)]), &registry(&world.root)).unwrap()
}

/// What a branch pins `two` to.
fn pinned_two(world: &World, at: &str) -> Option<char> {
    let state = world.forge.state();
    let text = String::from_utf8(state.files(at)["registry/two.yaml"].clone()).unwrap();
    let (_, digits) = text.split_once("two@sha256:")?;
    digits.chars().next()
}

#[tokio::test]
async fn a_run_for_some_closes_no_request_for_all() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let some = only(&world, "one", NEWER);
    let second = world
        .propose(&some, &ProposeOptions::new("2"))
        .await
        .unwrap();
    assert_eq!(
        (second.action, second.closed),
        (PinAction::Created, Vec::new())
    );
    insta::assert_snapshot!(second.notices.join("\n"), @"pull request #1 stays open, too: it pins `registry/three.yaml`, which this run says nothing of");
    assert_eq!(world.forge.state().open(), [1, 2]);

    // A run for all takes the place of both.
    world.forge.push("dev", "ann", &[("code/x", "2")]);
    let third = world.ok(OTHER, &ProposeOptions::new("3")).await;
    assert_eq!(world.forge.state().open(), [3]);
    assert_eq!(third.closed.len(), 2);
    assert_eq!(world.forge.state().bot_branches(), ["bot/pin-3"]);
}

#[tokio::test]
async fn a_run_for_some_closes_what_it_knows_all_of() {
    let world = World::new();
    let some = only(&world, "one", NEW);
    world
        .propose(&some, &ProposeOptions::new("1"))
        .await
        .unwrap();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let some = only(&world, "one", NEWER);
    let second = world
        .propose(&some, &ProposeOptions::new("2"))
        .await
        .unwrap();
    assert_eq!(second.closed, [1]);
    // Two runs for different processors have nothing to do with each other.
    let some = only(&world, "two", NEW);
    let third = world
        .propose(&some, &ProposeOptions::new("3"))
        .await
        .unwrap();
    assert_eq!(third.action, PinAction::Created);
    assert_eq!(world.forge.state().open(), [2, 3]);
}

#[tokio::test]
async fn an_older_run_for_all_leaves_out_what_a_newer_one_for_some_has() {
    let world = World::new();
    let old = world.forge.state().branches["dev"].clone();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let some = only(&world, "one", NEWER);
    world
        .propose(&some, &ProposeOptions::new("2"))
        .await
        .unwrap();
    for _ in 0..2 {
        let late = world.ok(NEW, &from("1", &old)).await;
        let names: Vec<_> = late.changes.changes.iter().map(PinChange::name).collect();
        assert_eq!(names, ["x/three@1 linux/amd64", "x/two@1"]);
        assert_eq!(
            late.notices,
            ["1 of these pins are left out: pull requests for newer commits have theirs"]
        );
        assert_eq!(world.forge.state().open(), [1, 2]);
        assert_eq!(world.pinned("bot/pin-1"), OLD);
        assert_eq!(world.pinned("bot/pin-2"), NEWER);
    }
    // One for the same alone is superseded.
    let some = only(&world, "one", NEW);
    let late = world.propose(&some, &from("3", &old)).await.unwrap();
    assert_eq!(late.action, PinAction::Superseded);
    assert_eq!(late.pull_request.unwrap().number, 1);
}

#[tokio::test]
async fn pins_in_a_branch_of_a_fixed_name_are_not_taken_away() {
    let world = World::new();
    let options = ProposeOptions {
        branch: "pins".into(),
        ..ProposeOptions::new("1")
    };
    world.ok(NEW, &options).await;
    let head = world.forge.state().branches["pins"].clone();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let some = only(&world, "one", NEWER);
    let error = world.propose(&some, &options).await.unwrap_err();
    insta::assert_snapshot!(error, @"write pins to pull request #1: it pins `registry/three.yaml`, which this run says nothing of");
    assert!(error.hint().unwrap().contains("all processors"));
    assert_eq!(error.class(), crate::ErrorClass::Pin);
    assert_eq!(world.forge.state().branches["pins"], head);
    assert_eq!(world.ok(NEWER, &options).await.action, PinAction::Updated);
}

#[tokio::test]
async fn a_file_is_known_pin_by_pin() {
    let arm = |digit| report(&[("three", Some("linux/arm64"), digit)]);
    let amd = |digit| report(&[("three", Some("linux/amd64"), digit)]);
    let world = World::new();
    let of = |report: &BuildReport| changes(report, &registry(&world.root)).unwrap();
    let first = world
        .propose(&of(&arm(NEW)), &ProposeOptions::new("1"))
        .await;
    assert_eq!(first.unwrap().action, PinAction::Created);
    world.forge.push("dev", "ann", &[("code/x", "1")]);

    // Its source has moved on, and the other platform's pin is right.
    let right = of(&amd(OLD));
    assert!(right.is_empty());
    let none = world
        .propose(&right, &ProposeOptions::new("2"))
        .await
        .unwrap();
    assert_eq!(none.closed, [0_u64; 0]);
    let second = world
        .propose(&of(&amd(NEW)), &ProposeOptions::new("2"))
        .await;
    assert_eq!(second.unwrap().closed, [0_u64; 0]);
    assert_eq!(world.forge.state().open(), [1, 2]);

    // What is known of the file is all that this request changes.
    world.forge.push(
        "dev",
        "ann",
        &[("registry/three.yaml", &{
            let text =
                std::fs::read_to_string(world.root.path().join("registry/three.yaml")).unwrap();
            format!("{text}# more\n")
        })],
    );
    let none = world
        .propose(&right, &ProposeOptions::new("3"))
        .await
        .unwrap();
    assert_eq!(none.closed, [2]);
    let none = world
        .propose(&of(&arm(OLD)), &ProposeOptions::new("3"))
        .await;
    assert_eq!(none.unwrap().closed, [1]);
}

#[tokio::test]
async fn a_processor_that_is_gone_keeps_no_request_open() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.remove("dev", "registry/two.yaml");
    std::fs::remove_file(world.root.path().join("registry/two.yaml")).unwrap();
    let rest = report(&[
        ("one", None, NEWER),
        ("three", Some("linux/amd64"), NEWER),
        ("three", Some("linux/arm64"), OLD),
    ]);
    let rest = changes(&rest, &registry(&world.root)).unwrap();
    let second = world
        .propose(&rest, &ProposeOptions::new("2"))
        .await
        .unwrap();
    assert_eq!(second.closed, [1]);
}

#[tokio::test]
async fn runs_for_some_and_for_all_at_once_keep_the_newest_of_each() {
    for seed in 1..=25_u64 {
        let mut world = World::new();
        world.forge = world.forge.seeded(seed * 6_700_417);
        let commits: Vec<CommitSha> = ["1", "2", "3"]
            .map(|text| world.forge.push("dev", "ann", &[("code/x", text)]))
            .into();
        let some = only(&world, "one", '3');
        let numbered = commits.iter().enumerate();
        let options: Vec<_> = numbered.map(|(id, at)| from(&id.to_string(), at)).collect();
        let runs = tokio::join!(
            world.run('1', &options[0]),
            world.propose(&some, &options[2]),
            world.run('2', &options[1]),
        );
        for run in [runs.0, runs.1, runs.2] {
            run.unwrap();
        }
        let branches = world.forge.state().bot_branches();
        let ones: Vec<char> = branches.iter().map(|at| world.pinned(at)).collect();
        let twos: Vec<_> = branches.iter().map(|at| pinned_two(&world, at)).collect();
        assert_eq!(
            world.forge.state().open().len(),
            2,
            "seed {seed}: {branches:?}"
        );
        assert!(ones.contains(&'3'), "seed {seed}: {ones:?}");
        assert!(twos.contains(&Some('2')), "seed {seed}: {twos:?}");

        // And a run for all ends with one.
        world.forge.push("dev", "ann", &[("code/x", "4")]);
        world.ok('4', &ProposeOptions::new("last")).await;
        assert_eq!(world.forge.state().bot_branches(), ["bot/pin-last"]);
    }
}

const OTHER: char = 'd';

#[tokio::test]
async fn a_request_with_more_files_than_are_listed_is_not_known() {
    let world = World::new();
    let some = only(&world, "one", NEW);
    let first = world.propose(&some, &ProposeOptions::new("1")).await;
    assert_eq!(first.unwrap().action, PinAction::Created);
    // What is listed is known, and who knows what else there is.
    world.forge.state().listed = Some(300);
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let some = only(&world, "one", NEWER);
    let second = world
        .propose(&some, &ProposeOptions::new("2"))
        .await
        .unwrap();
    assert_eq!(second.closed, [0_u64; 0]);
    insta::assert_snapshot!(second.notices.join("\n"), @"pull request #1 stays open, too: it pins files beyond the 300 that GitHub lists, which this run says nothing of");
    // A run for all knows them all.
    world.forge.push("dev", "ann", &[("code/x", "2")]);
    let third = world.ok(OTHER, &ProposeOptions::new("3")).await;
    assert_eq!(third.closed.len(), 2);
}
