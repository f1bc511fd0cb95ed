use futures_util::future::join_all;

use super::*;

const DIGITS: [char; 6] = ['1', '2', '3', '4', '5', '6'];

/// Runs for each of these commits at once. The newest one must get through.
async fn race(world: &World, runs: &[(usize, CommitSha)], fixed: bool) {
    let newest = runs.iter().map(|(digit, _)| *digit).max();
    let given: Vec<usize> = runs.iter().map(|(digit, _)| *digit).collect();
    let runs = runs.iter().enumerate().map(|(index, (digit, source))| {
        let mut options = from(&index.to_string(), source);
        if fixed {
            options.branch = "pins".into();
        }
        async move { world.run(DIGITS[*digit], &options).await }
    });
    for (digit, done) in given.into_iter().zip(join_all(runs).await) {
        // With one branch for all, an older run may give way to the others for too long.
        match done {
            Ok(_) => {}
            Err(error) => assert!(
                fixed
                    && Some(digit) != newest
                    && matches!(error, FactoryError::PinsContended { .. }),
                "{digit}: {error}"
            ),
        }
    }
}

fn sources(world: &World, count: usize) -> Vec<(usize, CommitSha)> {
    (0..count)
        .map(|index| {
            let text = index.to_string();
            (index, world.forge.push("dev", "ann", &[("code/x", &text)]))
        })
        .collect()
}

/// The orders in which runs start, from a number.
fn shuffle<T>(list: &mut [T], mut seed: u64) {
    for index in (1..list.len()).rev() {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        list.swap(index, (seed % (index as u64 + 1)) as usize);
    }
}

fn check(world: &World, newest: char, what: &str) {
    let (open, branches) = {
        let state = world.forge.state();
        (state.open(), state.bot_branches())
    };
    assert_eq!(open.len(), 1, "{what}: {open:?}");
    assert_eq!(branches.len(), 1, "{what}: {branches:?}");
    assert_eq!(world.pinned(&branches[0]), newest, "{what}");
}

#[tokio::test]
async fn many_runs_at_once_leave_the_newest_pins() {
    for seed in 1..=25_u64 {
        let mut world = World::new();
        world.forge = world.forge.seeded(seed * 7919);
        let mut runs = sources(&world, DIGITS.len());
        shuffle(&mut runs, seed | 1);
        race(&world, &runs, false).await;
        check(&world, '6', &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn so_they_do_one_after_the_other_in_any_order() {
    for seed in 1..=20_u64 {
        let world = World::new();
        let mut runs = sources(&world, DIGITS.len());
        shuffle(&mut runs, (seed * 31) | 1);
        for run in runs {
            race(&world, &[run], seed % 2 == 0).await;
        }
        check(&world, '6', &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn runs_for_one_commit_with_the_same_pins_leave_one_request() {
    for seed in 1..=20_u64 {
        let mut world = World::new();
        world.forge = world.forge.seeded(seed * 104_729);
        let source = world.forge.push("dev", "ann", &[("code/x", "1")]);
        let runs: Vec<_> = (0..5).map(|_| (0, source.clone())).collect();
        race(&world, &runs, false).await;
        check(&world, '1', &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn a_run_in_between_does_not_undo_pins_that_came_back() {
    // The first and the last commit have the same images; the one between has others.
    for seed in 1..=25_u64 {
        let mut world = World::new();
        world.forge = world.forge.seeded(seed * 15_485_863);
        let commits = sources(&world, 3);
        let mut options = from("first", &commits[0].1);
        options.branch = "bot/pin-first".into();
        world.ok('1', &options).await;
        let mut runs = vec![(1, commits[1].1.clone()), (0, commits[2].1.clone())];
        shuffle(&mut runs, seed | 1);
        race(&world, &runs, false).await;
        check(&world, '1', &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn one_branch_for_all_ends_with_the_newest_pins() {
    for seed in 1..=20_u64 {
        let mut world = World::new();
        world.forge = world.forge.seeded(seed * 32_452_843);
        let mut runs = sources(&world, 4);
        shuffle(&mut runs, seed | 1);
        race(&world, &runs, true).await;
        check(&world, '4', &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn a_hundred_runs_at_once() {
    let mut world = World::new();
    world.forge = world.forge.seeded(42);
    let mut runs: Vec<(usize, CommitSha)> = sources(&world, 100)
        .into_iter()
        .map(|(index, sha)| (index * DIGITS.len() / 100, sha))
        .collect();
    shuffle(&mut runs, 4711);
    race(&world, &runs, false).await;
    check(&world, '6', "a hundred");
}

#[tokio::test]
async fn the_text_of_a_request_is_of_the_pins_on_its_branch() {
    let fixed = |source: &CommitSha| {
        let mut options = from("1", source);
        options.branch = "pins".into();
        options
    };
    let check = |world: &World| {
        let state = world.forge.state();
        let body = &state.pulls[0].details.body;
        assert!(body.contains(&"3".repeat(12)), "{body}");
    };
    // A run has the same pins for a newer source, and reads the request. Then another one, for the
    // newest source, takes it over.
    let world = World::new();
    let commits = sources(&world, 3);
    world.ok('1', &fixed(&commits[0].1)).await;
    let before = {
        let state = world.forge.state();
        (state.branches.clone(), state.pulls.clone())
    };
    world.ok('3', &fixed(&commits[2].1)).await;
    {
        let mut state = world.forge.state();
        let after = (state.branches.clone(), state.pulls.clone());
        (state.branches, state.pulls) = before;
        let others = move |state: &mut fake::State| (state.branches, state.pulls) = after;
        state.meanwhile.insert("ahead", Box::new(others));
    }
    let late = world.ok('1', &fixed(&commits[1].1)).await;
    assert_eq!(late.action, PinAction::Superseded);
    check(&world);

    // Or its words come when the other one has written its own.
    let world = World::new();
    let commits = sources(&world, 3);
    world.ok('1', &fixed(&commits[0].1)).await;
    {
        let mut state = world.forge.state();
        let text = state.pulls[0].details.body.clone();
        let (old, new) = (commits[0].1.as_str(), commits[1].1.as_str());
        let text = text.replacen(old, new, 1);
        let others = |state: &mut fake::State| state.pulls[0].details.body = text;
        let soon = |state: &mut fake::State| {
            state.meanwhile.insert("pull_requests", Box::new(others));
        };
        state.meanwhile.insert("update", Box::new(soon));
    }
    world.ok('3', &fixed(&commits[2].1)).await;
    check(&world);
}
