use super::*;

/// What keeps a run from writing to this branch, even if it may take over.
async fn refused(world: &World, branch: &str, base: &str) {
    for takeover in [false, true] {
        let options = ProposeOptions {
            branch: branch.into(),
            base: base.into(),
            takeover,
            ..ProposeOptions::new("1")
        };
        let before = world.forge.state().branches.clone();
        let error = world.run(NEW, &options).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("write pins to branch `{branch}`: it is not the bot's branch for `{base}`")
        );
        assert!(error.hint().unwrap().contains("--branch"));
        assert_eq!(error.class(), crate::ErrorClass::Pin);
        assert_eq!(world.forge.state().branches, before);
        assert!(world.forge.state().open().is_empty());
    }
}

#[tokio::test]
async fn a_branch_that_the_bot_did_not_make_is_never_written_to() {
    let world = World::new();
    refused(&world, "dev", "dev").await;

    // Merely behind the base: nothing of its own would be lost, but it is somebody's.
    let first = world.forge.state().branches["dev"].clone();
    world.forge.state().branches.insert("main".into(), first);
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    refused(&world, "main", "dev").await;

    world.forge.push("main", "ann", &[("code/x", "2")]);
    refused(&world, "main", "dev").await;

    // Moved on to pins that were merged as one commit, with the bot's message and GitHub's number.
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    let message = world.forge.state().message("bot/pin-1").to_owned();
    world.forge.merge(1);
    let subject = message.replacen("(bot)", "(bot) (#1)", 1);
    let squashed = world.forge.reword("dev", &subject);
    world.forge.state().branches.insert("main".into(), squashed);
    world.forge.push(
        "dev",
        "ann",
        &[("registry/one.yaml", "image:\n  oci: sha256:pending\n")],
    );
    refused(&world, "main", "dev").await;
}

#[tokio::test]
async fn a_merged_branch_of_a_fixed_name_is_used_again() {
    for whole in [true, false] {
        let world = World::new();
        let options = ProposeOptions {
            branch: "pins".into(),
            ..ProposeOptions::new("1")
        };
        world.ok(NEW, &options).await;
        match whole {
            true => world.forge.merge_whole(1),
            false => drop(world.forge.merge(1)),
        }
        let second = world.ok(NEWER, &options).await;
        assert_eq!(second.action, PinAction::Created, "{whole}");
        assert_eq!(world.pinned("pins"), NEWER);
    }
}

#[tokio::test]
async fn two_bases_do_not_share_a_branch() {
    let world = World::new();
    let first = world.forge.state().branches["dev"].clone();
    world.forge.state().branches.insert("main".into(), first);
    let mut options = ProposeOptions {
        branch: "pins".into(),
        ..ProposeOptions::new("1")
    };
    world.ok(NEW, &options).await;
    let head = world.forge.state().branches["pins"].clone();
    options.base = "main".into();
    let error = world.run(NEWER, &options).await.unwrap_err();
    insta::assert_snapshot!(error, @"write pins to branch `pins`: it is not the bot's branch for `main`");
    assert_eq!(world.forge.state().branches["pins"], head);
}

#[tokio::test]
async fn a_branch_that_was_brought_up_to_date_by_a_person_is_still_the_bots() {
    for fixed in [true, false] {
        let world = World::new();
        let mut options = ProposeOptions::new("1");
        if fixed {
            options.branch = "pins".into();
        }
        world.ok(NEW, &options).await;
        world.forge.push("dev", "ann", &[("code/x", "1")]);
        world.forge.update(&options.branch, "ann");
        if !fixed {
            options.branch = "bot/pin-2".into();
        }
        world.ok(NEWER, &options).await;
        assert_eq!(world.forge.state().open().len(), 1);
        assert_eq!(world.forge.state().bot_branches(), [options.branch.clone()]);
        assert_eq!(world.pinned(&options.branch), NEWER);
    }

    // A merge of what the base branch does not have is a person's work.
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    let dev = world.forge.state().branches["dev"].clone();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    world.forge.update("bot/pin-1", "ann");
    world.forge.state().branches.insert("dev".into(), dev);
    let error = world
        .run(NEWER, &ProposeOptions::new("2"))
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"write pins to pull request #1: it has commits of ann, which would be lost");
}

#[tokio::test]
async fn the_branch_of_a_merged_request_stays_however_long_ago_that_was() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.merge(1);
    {
        let mut state = world.forge.state();
        let mut other = state.pulls[0].clone();
        other.details.body = String::new();
        other.details.request.head = "feature".into();
        for number in 2..=400 {
            other.details.request.number = number;
            state.pulls.push(other.clone());
        }
    }
    world.ok(NEWER, &ProposeOptions::new("2")).await;
    assert_eq!(
        world.forge.state().bot_branches(),
        ["bot/pin-1", "bot/pin-2"]
    );
}

#[tokio::test]
async fn a_branch_that_another_request_is_open_from_stays() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    {
        // A person wants these pins on another branch, too.
        let mut state = world.forge.state();
        let mut other = state.pulls[0].clone();
        other.details.body = String::new();
        other.details.request.number = 2;
        other.details.request.base = "main".into();
        state.pulls.push(other);
    }
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let next = world.ok(NEWER, &ProposeOptions::new("2")).await;
    assert_eq!(next.closed, [1]);
    insta::assert_snapshot!(next.notices.join("\n"), @"branch `bot/pin-1` stays: pull request #2 is open from it");
    assert_eq!(world.forge.state().open(), [2, 3]);
}
