use super::fake::comment;
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
    world.forge.state().bot = "ann".into();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.state().bot = "other[bot]".into();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let error = world.run(NEWER, &options).await.unwrap_err();
    insta::assert_snapshot!(error, @"write pins to pull request #1: it has commits of ann, which would be lost");
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
    insta::assert_snapshot!(error, @"write pins to branch `bot/pin-1`: it is not the bot's branch for `dev`");
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
    world.forge.state().pulls[0].close();
    let blocked = world.ok(NEW, &ProposeOptions::new("2")).await;
    assert_eq!(blocked.action, PinAction::Blocked);
    assert_eq!(blocked.pull_request.unwrap().number, 1);
    insta::assert_snapshot!(blocked.notices[0], @"pull request #1 has the same pins and was closed by a person: it is not opened again (`--takeover` does)");
    assert_eq!(world.forge.state().bot_branches(), ["bot/pin-1"]);

    // Somebody's comment does not make it ours.
    let said = comment("mallory", "<!-- pipeline:pin-closed -->");
    world.forge.state().pulls[0].comments.push(said);
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

#[tokio::test]
async fn another_kind_of_token_goes_on() {
    for fixed in [true, false] {
        let world = World::new();
        let mut options = ProposeOptions::new("1");
        if fixed {
            options.branch = "pins".into();
        }
        world.forge.state().bot = "github-actions[bot]".into();
        world.ok(NEW, &options).await;
        for (id, bot, digit) in [("2", "pins[bot]", NEWER), ("3", "ann", NEW)] {
            world.forge.state().bot = bot.into();
            world.forge.push("dev", "ann", &[("code/x", id)]);
            if !fixed {
                options.branch = format!("bot/pin-{id}");
            }
            world.ok(digit, &options).await;
            assert_eq!(world.forge.state().open().len(), 1, "{bot}");
            assert_eq!(world.forge.state().bot_branches(), [options.branch.clone()]);
            assert_eq!(world.pinned(&options.branch), digit);
            if fixed {
                // A person's token may be anybody's: here it ends.
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_the_owner_of_the_token_amends_is_not_lost() {
    for amended in [false, true] {
        let world = World::new();
        world.forge.state().bot = "ann".into();
        world.ok(NEW, &ProposeOptions::new("1")).await;
        if amended {
            world.forge.amend("bot/pin-1", "ann", &[("README", "mine")]);
        }
        world.forge.push("dev", "bob", &[("code/x", "1")]);
        let second = world.run(NEWER, &ProposeOptions::new("2")).await;
        if amended {
            let error = second.unwrap_err();
            insta::assert_snapshot!(error, @"write pins to pull request #1: it has commits of ann, which would be lost");
        } else {
            assert_eq!(second.unwrap().closed, [1]);
        }
    }
}

#[tokio::test]
async fn an_outsiders_comment_decides_nothing() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    for marker in [
        "<!-- pipeline:pin-closed -->",
        "<!-- pipeline:pin-left-alone -->",
    ] {
        let said = comment("mallory", marker);
        world.forge.state().pulls[0].comments.push(said);
    }
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    world.ok(NEWER, &ProposeOptions::new("2")).await;
    // The bot closed the first, not a person: its pins may come again.
    world.forge.push("dev", "ann", &[("code/x", "2")]);
    let third = world.ok(NEW, &ProposeOptions::new("3")).await;
    assert_eq!(third.action, PinAction::Created);
}

#[tokio::test]
async fn a_persons_later_no_counts() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    world.ok(NEWER, &ProposeOptions::new("2")).await;
    // The bot closed the first; later a person opens it again, and closes it.
    {
        let mut state = world.forge.state();
        let pull = &mut state.pulls[0];
        pull.comments[0].created -= jiff::SignedDuration::from_hours(1);
        pull.reopen();
        pull.close();
    }
    world.forge.push("dev", "ann", &[("code/x", "2")]);
    let third = world.ok(NEW, &ProposeOptions::new("3")).await;
    assert_eq!(third.action, PinAction::Blocked);
    assert_eq!(third.pull_request.unwrap().number, 1);
}

#[tokio::test]
async fn the_bot_says_so_each_time_it_closes() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    let head = world.forge.state().branches["bot/pin-1"].clone();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    world.ok(NEWER, &ProposeOptions::new("2")).await;
    {
        let mut state = world.forge.state();
        state.branches.insert("bot/pin-1".into(), head);
        let pull = &mut state.pulls[0];
        pull.comments[0].created -= jiff::SignedDuration::from_hours(1);
        pull.reopen();
    }
    let again = world.ok(NEWER, &ProposeOptions::new("3")).await;
    assert_eq!(
        (again.action, again.closed),
        (PinAction::Unchanged, vec![1])
    );
    assert_eq!(world.forge.state().pulls[0].comments.len(), 2);
}

#[tokio::test]
async fn what_the_forge_signs_is_the_bots_on_a_server_of_ones_own_too() {
    for (address, closed) in [
        ("noreply@github.com", vec![1]),
        ("noreply@github.example.com", vec![1]),
        ("ann@github.example.com", Vec::new()),
    ] {
        let world = World::new();
        world.forge.state().signer = Some(address);
        world.ok(NEW, &ProposeOptions::new("1")).await;
        // The base branch gets the same pins by other means.
        world.forge.merge(1);
        world.forge.state().pulls[0].reopen();
        let none = world.ok(NEW, &ProposeOptions::new("2")).await;
        assert_eq!(none.closed, closed, "{address}");
    }
}

#[tokio::test]
async fn a_branch_that_a_person_amended_is_not_cleared_away() {
    for (bot, closed) in [("pins[bot]", true), ("ann", true), ("pins[bot]", false)] {
        let world = World::new();
        world.forge.state().bot = bot.into();
        world.ok(NEW, &ProposeOptions::new("1")).await;
        let head = match closed {
            // While the bot closes the request, so that the branch stays behind.
            true => {
                let head = world.forge.amend("bot/pin-1", "ann", &[("README", "mine")]);
                let mut state = world.forge.state();
                let said = comment(bot, "<!-- pipeline:pin-closed -->");
                state.pulls[0].comments.push(said);
                state.pulls[0].close();
                head
            }
            // Or on a branch of their own, with the bot's message, as `git cherry-pick` leaves it.
            false => {
                let first = world.forge.state().branches["bot/pin-1"].clone();
                let mut state = world.forge.state();
                state.branches.insert("bot/pin-mine".into(), first);
                drop(state);
                world
                    .forge
                    .amend("bot/pin-mine", "ann", &[("README", "mine")])
            }
        };
        world.forge.push("dev", "bob", &[("code/x", "1")]);
        world.ok(NEWER, &ProposeOptions::new("2")).await;
        let state = world.forge.state();
        assert!(
            state.branches.values().any(|sha| *sha == head),
            "{bot} {closed}"
        );
    }
}

#[tokio::test]
async fn a_person_who_pushes_while_the_request_is_closed_gets_it_back() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    world.forge.state().meanwhile.insert(
        "close",
        Box::new(|state| drop(state.push("bot/pin-1", "ann", &[("README", "mine")]))),
    );
    let second = world.ok(NEWER, &ProposeOptions::new("2")).await;
    assert_eq!(second.closed, [0_u64; 0]);
    assert!(
        second.notices[0].contains("has commits of ann"),
        "{:?}",
        second.notices
    );
    assert_eq!(world.forge.state().open(), [1, 2]);
}

#[tokio::test]
async fn whoever_amends_an_apps_commit_is_named() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.amend("bot/pin-1", "ann", &[("README", "mine")]);
    world.forge.push("dev", "bob", &[("code/x", "1")]);
    let error = world.run(NEWER, &ProposeOptions::new("2")).await;
    insta::assert_snapshot!(error.unwrap_err(), @"write pins to pull request #1: it has commits of ann, which would be lost");
}

#[tokio::test]
async fn work_that_a_person_put_into_a_merge_is_not_lost() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.push("dev", "bob", &[("code/x", "1")]);
    world.forge.update("bot/pin-1", "ann");
    world.forge.amend("bot/pin-1", "ann", &[("README", "mine")]);
    let error = world.run(NEWER, &ProposeOptions::new("2")).await;
    insta::assert_snapshot!(error.unwrap_err(), @"write pins to pull request #1: it has commits of ann, which would be lost");
}

#[tokio::test]
async fn a_commit_that_comes_just_before_the_write_is_not_lost() {
    let world = World::new();
    let mut options = ProposeOptions::new("1");
    options.branch = "pins".into();
    world.ok(NEW, &options).await;
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let push = |state: &mut fake::State| {
        state.push("pins", "ann", &[("README", "x")]);
    };
    {
        let mut state = world.forge.state();
        state.meanwhile.insert("replace_branch", Box::new(push));
    }
    let error = world.run(NEWER, &options).await.unwrap_err();
    insta::assert_snapshot!(error, @"write pins to pull request #1: it has commits of ann, which would be lost");
    let state = world.forge.state();
    assert!(state.files("pins").contains_key("README"));
}

#[tokio::test]
async fn a_takeover_says_whose_commits_go() {
    let gone = |world: &World, head: &CommitSha, branch: &str, verb: &str| {
        let branches = &world.forge.state().branches;
        assert_eq!(branches.values().any(|sha| sha == head), verb == "would be");
        let head = head.short();
        format!("commits of ann up to {head} {verb} no longer on `{branch}` (`--takeover`)")
    };
    for with_request in [true, false] {
        let world = World::new();
        let mut options = ProposeOptions::new("1");
        options.branch = "pins".into();
        world.ok(NEW, &options).await;
        let head = world.forge.push("pins", "ann", &[("README", "x")]);
        world.forge.push("dev", "ann", &[("code/x", "1")]);
        if !with_request {
            world.forge.close(1);
        }
        options.takeover = true;
        let changes = world.changes(NEWER);
        let said = preview(&world.forge, &changes, &options, &CancellationToken::new()).await;
        let expected = gone(&world, &head, "pins", "would be");
        assert_eq!(said.unwrap().notices, [expected]);
        let done = world.ok(NEWER, &options).await;
        assert_eq!(done.notices, [gone(&world, &head, "pins", "are")]);
        let again = world.ok(NEWER, &options).await;
        assert_eq!(again.notices, [""; 0]);
    }
    // A request that is closed goes with its branch.
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    let head = world.forge.push("bot/pin-1", "ann", &[("README", "x")]);
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let mut options = ProposeOptions::new("2");
    options.takeover = true;
    let done = world.ok(NEWER, &options).await;
    assert_eq!(done.closed, [1]);
    assert_eq!(done.notices, [gone(&world, &head, "bot/pin-1", "are")]);
}
