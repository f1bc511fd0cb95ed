//! The workflow that is started on the branch, and the status that says how far it is.

use github::StatusState;

use super::*;

fn checked(id: &str) -> ProposeOptions {
    ProposeOptions {
        dispatch: Some(Dispatch {
            workflow: "acceptance.yaml".into(),
            context: "acceptance".into(),
        }),
        ..ProposeOptions::new(id)
    }
}

impl World {
    /// The last status, and how often the workflow was started.
    fn checks(&self) -> (StatusState, usize) {
        let state = self.forge.state();
        let (_, last) = state.statuses.last().unwrap();
        (last.state, state.dispatched.len())
    }
}

#[tokio::test]
async fn what_could_not_be_started_is_started_by_the_next_run() {
    let world = World::new();
    world.forge.state().failing.insert("dispatch", 0);
    let first = world.ok(NEW, &checked("1")).await;
    assert!(first.notices[0].starts_with("the checks are not started: "));
    assert_eq!(world.checks(), (StatusState::Error, 0));

    // With the cure applied, for the same commit or for a later one with the same pins.
    world.forge.state().failing.clear();
    let again = world.ok(NEW, &checked("1")).await;
    assert_eq!(again.action, PinAction::Unchanged);
    insta::assert_snapshot!(again.notices.join("\n"), @"workflow `acceptance.yaml` on `bot/pin-1` ends the commit status `acceptance`");
    assert_eq!(world.checks(), (StatusState::Pending, 1));
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    world.ok(NEW, &checked("2")).await;
    assert_eq!(world.checks(), (StatusState::Pending, 1), "once");
}

#[tokio::test]
async fn a_run_that_was_killed_before_the_start_is_made_up_for() {
    let world = World::new();
    // The status is pending then, and nothing will ever end it.
    world.forge.state().failing.insert("dispatch", 0);
    world.forge.state().failing.insert("set_status", 1);
    world.ok(NEW, &checked("1")).await;
    assert_eq!(world.checks(), (StatusState::Pending, 0));
    world.forge.state().failing.clear();
    world.ok(NEW, &checked("1")).await;
    assert_eq!(world.checks(), (StatusState::Pending, 1));
}

#[tokio::test]
async fn what_a_workflow_says_of_itself_stands() {
    for state in [
        StatusState::Pending,
        StatusState::Success,
        StatusState::Failure,
        StatusState::Error,
    ] {
        let world = World::new();
        // It is quick: it has ended before the run hears that it was started.
        let ends = move |forge: &mut fake::State| {
            let (sha, mut status) = forge.statuses.last().unwrap().clone();
            status.state = state;
            status.description = Some("3 of 4 cases".into());
            forge.statuses.push((sha, status));
        };
        let soon = move |forge: &mut fake::State| {
            forge.meanwhile.insert("status", Box::new(ends));
        };
        {
            let mut forge = world.forge.state();
            forge.meanwhile.insert("dispatch", Box::new(soon));
        }
        world.ok(NEW, &checked("1")).await;
        assert_eq!(world.checks(), (state, 1));
        world.ok(NEW, &checked("1")).await;
        assert_eq!(world.checks(), (state, 1));
    }
}
