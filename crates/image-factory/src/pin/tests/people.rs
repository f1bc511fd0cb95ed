use super::*;

#[tokio::test]
async fn a_persons_commit_is_never_overwritten() {
    for fixed in [true, false] {
        let world = World::new();
        let mut options = ProposeOptions::new("1");
        if fixed {
            options.branch = "pins".into();
        }
        world.ok(NEW, &options).await;
        let head = world.forge.push(&options.branch, "ann", &[("README", "x")]);
        world.forge.push("dev", "ann", &[("code/x", "1")]);
        if !fixed {
            options.branch = "bot/pin-2".into();
        }
        for _ in 0..2 {
            let error = world.run(NEWER, &options).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                "write pins to pull request #1: it has commits of ann, which would be lost"
            );
            assert!(error.hint().unwrap().contains("--takeover"));
            assert_eq!(error.class(), crate::ErrorClass::Pin);
        }
        {
            let state = world.forge.state();
            assert_eq!(state.open(), [1]);
            assert_eq!(state.pulls[0].comments.len(), 1, "it is said once");
            assert_eq!(state.bot_branches().len(), 1);
            assert!(state.branches.values().any(|sha| *sha == head));
        }
        options.takeover = true;
        let taken = world.ok(NEWER, &options).await;
        let expected = if fixed {
            PinAction::Updated
        } else {
            PinAction::Created
        };
        assert_eq!(taken.action, expected);
        let state = world.forge.state();
        assert_eq!(state.open().len(), 1);
        assert!(state.branches.values().all(|sha| *sha != head));
    }
}

#[tokio::test]
async fn whoever_amends_the_bots_commit_is_a_person_too() {
    let world = World::new();
    let mut options = ProposeOptions::new("1");
    world.ok(NEW, &options).await;
    // The same token commits in other work, without the trailer.
    let bot = world.forge.state().bot.clone();
    world.forge.push("bot/pin-1", &bot, &[("README", "x")]);
    options.branch = "bot/pin-2".into();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let error = world.run(NEWER, &options).await.unwrap_err();
    assert!(matches!(error, FactoryError::PinsBlocked { .. }), "{error}");

    // The bot's message, in another's name.
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.state().bot = "other[bot]".into();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let error = world.run(NEWER, &options).await.unwrap_err();
    insta::assert_snapshot!(error, @"write pins to pull request #1: it has commits of pins[bot], which would be lost");
}

#[tokio::test]
async fn a_branch_without_a_request_may_hold_a_persons_work_too() {
    let world = World::new();
    let dev = world.forge.state().branches["dev"].clone();
    for branch in ["bot/pin-1", "bot/pin-9"] {
        let branches = &mut world.forge.state().branches;
        branches.insert(branch.into(), dev.clone());
    }
    world.forge.push("bot/pin-1", "ann", &[("README", "x")]);
    world.forge.push("bot/pin-9", "ann", &[("README", "x")]);
    let error = world.run(NEW, &ProposeOptions::new("1")).await.unwrap_err();
    insta::assert_snapshot!(error, @"write pins to branch `bot/pin-1`: it has commits of ann, which would be lost");
    world.ok(NEW, &ProposeOptions::new("2")).await;
    assert_eq!(
        world.forge.state().bot_branches(),
        ["bot/pin-1", "bot/pin-2", "bot/pin-9"]
    );
}

#[tokio::test]
async fn what_a_person_closed_is_not_opened_again() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.state().pulls[0].details.state = github::PullRequestState::Closed;
    let blocked = world.ok(NEW, &ProposeOptions::new("2")).await;
    assert_eq!(blocked.action, PinAction::Blocked);
    assert_eq!(blocked.pull_request.unwrap().number, 1);
    insta::assert_snapshot!(blocked.notices[0], @"pull request #1 has the same pins and was closed by a person: it is not opened again (`--takeover` does)");
    assert_eq!(world.forge.state().bot_branches(), ["bot/pin-1"]);

    // Somebody's comment does not make it ours.
    world.forge.state().pulls[0].comments.push(github::Comment {
        author: "mallory".into(),
        body: "<!-- pipeline:pin-closed -->".into(),
    });
    let blocked = world.ok(NEW, &ProposeOptions::new("2")).await;
    assert_eq!(blocked.action, PinAction::Blocked);

    // Other pins are another matter; the person may still want the branch.
    let other = world.ok(NEWER, &ProposeOptions::new("3")).await;
    assert_eq!(other.action, PinAction::Created);
    assert_eq!(
        world.forge.state().bot_branches(),
        ["bot/pin-1", "bot/pin-3"]
    );
    let mut options = ProposeOptions::new("4");
    options.takeover = true;
    assert_eq!(world.ok(NEW, &options).await.action, PinAction::Created);
}

#[tokio::test]
async fn what_the_bot_closed_may_come_again() {
    let world = World::new();
    for (id, digit) in [("1", NEW), ("2", NEWER), ("3", NEW)] {
        world.forge.push("dev", "ann", &[("code/x", id)]);
        let report = world.ok(digit, &ProposeOptions::new(id)).await;
        assert_eq!(report.action, PinAction::Created, "{id}");
    }
    assert_eq!(world.forge.state().open(), [3]);
}
