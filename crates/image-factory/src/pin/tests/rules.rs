use github::PullRequestState;

use super::*;

#[tokio::test]
async fn one_commit_and_one_pull_request() {
    let world = World::new();
    let report = world.ok(NEW, &ProposeOptions::new("17")).await;
    assert_eq!(report.action, PinAction::Created);
    assert_eq!(report.pull_request.unwrap().head, "bot/pin-17");
    assert_eq!(report.commit.unwrap().branch, "bot/pin-17");
    let state = world.forge.state();
    let message = state.message("bot/pin-17");
    assert!(
        message.starts_with("ci: pin processor images (bot)\n"),
        "{message}"
    );
    let (base, pinned) = (state.files("dev"), state.files("bot/pin-17"));
    assert_eq!(base.len(), pinned.len());
    assert!(base.iter().all(|(path, bytes)| pinned[path] != *bytes));
    assert_eq!(state.calls["create_commit"], 1);
}

#[tokio::test]
async fn nothing_to_change_makes_nothing() {
    let world = World::new();
    let options = ProposeOptions::new("17");
    let nothing = PinChanges::default();
    let none = world.propose(&nothing, &options).await.unwrap();
    assert_eq!((none.action, none.commit), (PinAction::Nothing, None));

    // The base branch has the pins already, though the checkout has not.
    for whole in [true, false] {
        let world = World::new();
        world.ok(NEW, &options).await;
        match whole {
            true => world.forge.merge_whole(1),
            false => drop(world.forge.merge(1)),
        }
        let commits = world.forge.state().calls["create_commit"];
        let none = world.ok(NEW, &ProposeOptions::new("18")).await;
        assert!(none.changes.is_empty() && none.pull_request.is_none());
        let state = world.forge.state();
        assert_eq!(state.calls["create_commit"], commits);
        assert_eq!(state.pulls.len(), 1);
        // What becomes of it is a setting of the repository.
        assert_eq!(state.bot_branches(), ["bot/pin-17"]);
    }
}

#[tokio::test]
async fn the_same_change_is_proposed_once() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    let source = world.forge.push("dev", "ann", &[("code/x", "1")]);
    let again = world.ok(NEW, &from("2", &source)).await;
    assert_eq!(again.action, PinAction::Unchanged);
    assert_eq!(again.pull_request.unwrap().number, 1);
    // It stands for the newer source now: what lies between does not take its place.
    let state = world.forge.state();
    assert!(state.pulls[0].details.body.contains(source.as_str()));
    assert_eq!(state.bot_branches(), ["bot/pin-1"]);
}

#[tokio::test]
async fn a_newer_run_takes_the_place_of_an_older_one() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let second = world.ok(NEWER, &ProposeOptions::new("2")).await;
    assert_eq!(
        (second.action, second.closed),
        (PinAction::Created, vec![1])
    );
    let state = world.forge.state();
    assert_eq!(state.open(), [2]);
    assert_eq!(state.bot_branches(), ["bot/pin-2"]);
    let comments = &state.pulls[0].comments;
    insta::assert_snapshot!(comments[0].body, @r"
    <!-- pipeline:pin-closed -->
    Superseded by #2.
    ");
}

#[tokio::test]
async fn an_older_run_that_ends_later_changes_nothing() {
    let world = World::new();
    let old = world.forge.state().branches["dev"].clone();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    world.ok(NEWER, &ProposeOptions::new("2")).await;
    let late = world.ok(NEW, &from("1", &old)).await;
    assert_eq!(late.action, PinAction::Superseded);
    assert_eq!(late.pull_request.unwrap().number, 1);
    assert_eq!(world.forge.state().bot_branches(), ["bot/pin-2"]);

    // Nor does it when the newer pins are merged.
    world.forge.merge(1);
    let late = world.ok(NEW, &from("1", &old)).await;
    assert_eq!(late.action, PinAction::Superseded);
    insta::assert_snapshot!(late.notices[0], @"`dev` has newer pins for 3 of these images since pull request #1");
    assert_eq!(world.pinned("dev"), NEWER);
    assert_eq!(world.forge.state().open(), [0_u64; 0]);
}

#[tokio::test]
async fn a_newer_run_changes_what_an_older_one_merged() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    let source = world.forge.push("dev", "ann", &[("code/x", "1")]);
    world.forge.merge(1);
    // Its checkout does not have the merged pins.
    let second = world.ok(NEWER, &from("2", &source)).await;
    assert_eq!(second.action, PinAction::Created);
    assert_eq!(world.pinned("bot/pin-2"), NEWER);
}

#[tokio::test]
async fn of_sources_that_went_apart_the_one_in_the_base_branch_wins() {
    let world = World::new();
    let first = world.forge.state().branches["dev"].clone();
    let aside = world.forge.aside(&world.forge.aside(&first));
    world.ok(NEW, &ProposeOptions::new("1")).await;
    // The base branch was moved away from what was built, though that has more before it.
    {
        let body = &mut world.forge.state().pulls[0].details.body;
        *body = body.replace(first.as_str(), aside.as_str());
    }
    let second = world.ok(NEWER, &ProposeOptions::new("2")).await;
    assert_eq!(
        (second.action, second.closed),
        (PinAction::Created, vec![1])
    );

    // Of two runs for one commit, the later pull request wins.
    let again = world.ok(NEW, &ProposeOptions::new("3")).await;
    assert_eq!((again.action, again.closed), (PinAction::Created, vec![2]));
}

#[tokio::test]
async fn images_of_code_that_the_base_does_not_have_are_not_proposed() {
    let world = World::new();
    let first = world.forge.state().branches["dev"].clone();
    let topic = world.forge.aside(&first);
    let unknown: CommitSha = "f".repeat(40).parse().unwrap();
    for source in [topic, unknown] {
        let error = world.run(NEW, &from("1", &source)).await.unwrap_err();
        let expected = format!(
            "propose pins for `dev`: they are of commit {}, which `dev` does not have",
            source.short()
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().unwrap().contains("--base"));
        assert_eq!(error.class(), crate::ErrorClass::Pin);
        assert!(world.forge.state().bot_branches().is_empty());
        // Nothing to propose is no error.
        let nothing = PinChanges::default();
        let none = world.propose(&nothing, &from("1", &source)).await.unwrap();
        assert_eq!(none.action, PinAction::Nothing);
    }
    world.ok(NEW, &from("1", &first)).await;
}

#[tokio::test]
async fn a_branch_of_a_fixed_name_is_rebuilt_in_place() {
    let world = World::new();
    let mut options = ProposeOptions::new("1");
    options.branch = "pins".into();
    world.ok(NEW, &options).await;
    let base = world.forge.push("dev", "ann", &[("code/x", "1")]);
    let second = world.ok(NEWER, &options).await;
    assert_eq!(second.action, PinAction::Updated);
    assert_eq!(second.pull_request.unwrap().number, 1);
    assert_eq!(second.commit.unwrap().parent, base);
    assert_eq!(world.pinned("pins"), NEWER);
    assert!(
        world.forge.state().pulls[0]
            .details
            .body
            .contains("cccccccccccc")
    );

    // An older run leaves it as it is.
    let first = "0".repeat(39) + "1";
    options.source = Some(first.parse().unwrap());
    let late = world.ok(NEW, &options).await;
    assert_eq!(late.action, PinAction::Superseded);
    assert_eq!(world.pinned("pins"), NEWER);
    assert_eq!(world.forge.state().open(), [1]);
}

#[tokio::test]
async fn a_run_that_was_killed_is_made_good_by_the_next() {
    // After each number of writes: the run dies at the next one of that kind.
    for (call, branches) in [("open", 1), ("create_branch", 0), ("pull_requests", 1)] {
        let world = World::new();
        let times = if call == "pull_requests" { 2 } else { 0 };
        world.forge.state().failing.insert(call, times);
        world.run(NEW, &ProposeOptions::new("1")).await.unwrap_err();
        assert_eq!(world.forge.state().bot_branches().len(), branches, "{call}");
        world.forge.state().failing.clear();

        // The same run again.
        let again = world.ok(NEW, &ProposeOptions::new("1")).await;
        assert!(
            matches!(again.action, PinAction::Created | PinAction::Unchanged),
            "{call}: {again:?}"
        );
        assert_eq!(world.forge.state().open(), [1], "{call}");
        assert_eq!(world.forge.state().bot_branches(), ["bot/pin-1"], "{call}");
    }
    for digit in [NEW, NEWER] {
        let world = World::new();
        world.forge.state().failing.insert("open", 0);
        world.run(NEW, &ProposeOptions::new("1")).await.unwrap_err();
        world.forge.state().failing.clear();
        // Another run, with the same pins or others.
        let other = world.ok(digit, &ProposeOptions::new("2")).await;
        assert_eq!(other.action, PinAction::Created);
        let state = world.forge.state();
        assert_eq!(state.open().len(), 1);
        assert_eq!(state.bot_branches(), ["bot/pin-2"]);
    }
}

#[tokio::test]
async fn a_kill_while_closing_is_made_good_too() {
    for call in ["comment_once", "close", "delete_branch_at"] {
        let world = World::new();
        world.ok(NEW, &ProposeOptions::new("1")).await;
        world.forge.push("dev", "ann", &[("code/x", "1")]);
        world.forge.state().failing.insert(call, 0);
        // What is left of a branch is told; all else is an error.
        let second = world.run(NEWER, &ProposeOptions::new("2")).await;
        assert_eq!(second.is_ok(), call == "delete_branch_at", "{call}");
        world.forge.state().failing.clear();
        world.ok(NEWER, &ProposeOptions::new("3")).await;
        let state = world.forge.state();
        assert_eq!(state.open(), [2], "{call}");
        assert_eq!(state.bot_branches(), ["bot/pin-2"], "{call}");
    }
}

#[tokio::test]
async fn requests_that_became_empty_are_closed() {
    // Merged by other means.
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    let files = world.forge.state().files("bot/pin-1").clone();
    let texts: Vec<(String, String)> = files
        .into_iter()
        .map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap()))
        .collect();
    let texts: Vec<(&str, &str)> = texts
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    world.forge.push("dev", "ann", &texts);
    let none = world.ok(NEW, &ProposeOptions::new("2")).await;
    assert_eq!((none.action, none.closed), (PinAction::Nothing, vec![1]));
    assert!(world.forge.state().bot_branches().is_empty());

    // The change was reverted: what is pinned is right for the newer source.
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.push("dev", "ann", &[("code/x", "reverted")]);
    let mut right = report(&[
        ("one", None, OLD),
        ("three", Some("linux/amd64"), OLD),
        ("three", Some("linux/arm64"), OLD),
    ]);
    let some = changes(&right, &registry(&world.root)).unwrap();
    assert!(some.is_empty());
    // It says nothing of `two`, which the request pins, too.
    let options = ProposeOptions::new("2");
    let none = world.propose(&some, &options).await.unwrap();
    assert_eq!(none.closed, [0_u64; 0]);
    // `two` is pinned here by now, and the request has another image.
    std::fs::write(
        world.root.path().join("registry/two.yaml"),
        format!(
            "ref: x/two@1\nimage:\n  oci: {}\nbuild:\n  context: .\n  dockerfile: Dockerfile\n",
            image("two", OLD)
        ),
    )
    .unwrap();
    right.built.extend(report(&[("two", None, OLD)]).built);
    let all = changes(&right, &registry(&world.root)).unwrap();
    assert!(all.is_empty());
    let none = world.propose(&all, &options).await.unwrap();
    assert_eq!(none.closed, [1]);
    assert_eq!(
        world.forge.state().pulls[0].details.state,
        PullRequestState::Closed
    );
}

#[tokio::test]
async fn only_our_own_pull_requests_are_touched() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    {
        let mut state = world.forge.state();
        let ours = state.pulls[0].clone();
        let mut add = |change: &dyn Fn(&mut github::PullRequestDetails)| {
            let mut pull = ours.clone();
            pull.details.request.number = state.pulls.len() as u64 + 1;
            change(&mut pull.details);
            state.pulls.push(pull);
        };
        add(&|pull| pull.from_here = false);
        add(&|pull| pull.body = "<!-- pipeline:pin source=x -->".into());
        add(&|pull| pull.request.base = "main".into());
        add(&|pull| {
            pull.request.head = "feature".into();
            pull.request
                .head_sha
                .clone_from(&ours.details.request.head_sha);
        });
        let dev = state.branches["dev"].clone();
        state.branches.insert("feature".into(), dev);
    }
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let second = world.ok(NEWER, &ProposeOptions::new("2")).await;
    assert_eq!(second.closed, [1]);
}

#[tokio::test]
async fn labels_reviews_auto_merge_and_checks() {
    let world = World::new();
    world.forge.state().bot = "github-actions[bot]".into();
    let mut options = ProposeOptions::new("1");
    let plain = world.ok(NEW, &options).await;
    assert_eq!(plain.notices.len(), 1);
    assert!(plain.notices[0].contains("approval") && plain.notices[0].contains("dispatch"));

    options.labels = vec!["pins".into(), "bot".into()];
    options.reviewers = vec!["ann".into()];
    options.team_reviewers = vec!["core".into()];
    options.auto_merge = Some(github::MergeMethod::Squash);
    options.draft = true;
    options.dispatch = Some(Dispatch {
        workflow: "acceptance.yaml".into(),
        context: "acceptance".into(),
    });
    options.branch = "bot/pin-2".into();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let full = world.ok(NEWER, &options).await;
    insta::assert_snapshot!(full.notices.join("\n"), @"workflow `acceptance.yaml` on `bot/pin-2` ends the commit status `acceptance`");
    {
        let state = world.forge.state();
        let pull = &state.pulls[1];
        assert_eq!(pull.details.labels, ["pins", "bot"]);
        assert_eq!(pull.details.reviewers, ["ann", "core"]);
        assert!(pull.auto_merge && pull.details.draft);
        assert_eq!(
            state.dispatched,
            [("acceptance.yaml".into(), "bot/pin-2".into())]
        );
        let (sha, status) = &state.statuses[0];
        assert_eq!(*sha, pull.details.request.head_sha);
        assert_eq!(
            (status.context.as_str(), status.state),
            ("acceptance", github::StatusState::Pending)
        );
    }

    // What fails beside the pins is told, and the status does not stay pending.
    for call in ["add_labels", "request_reviewers", "auto_merge", "dispatch"] {
        world.forge.state().failing.insert(call, 0);
    }
    options.branch = "bot/pin-3".into();
    let third = world.ok(OTHER, &options).await;
    assert_eq!(third.action, PinAction::Created);
    insta::assert_snapshot!(third.notices.join("\n"), @r"
    labels are missing: add_labels: GitHub answered 502 (down) (run it again; https://www.githubstatus.com tells about outages)
    no review is requested: request_reviewers: GitHub answered 502 (down) (run it again; https://www.githubstatus.com tells about outages)
    auto-merge is not on: auto_merge: GitHub answered 502 (down) (run it again; https://www.githubstatus.com tells about outages)
    the checks are not started: dispatch: GitHub answered 502 (down) (run it again; https://www.githubstatus.com tells about outages)
    ");
    let last = world.forge.state().statuses.last().unwrap().1.state;
    assert_eq!(last, github::StatusState::Error);
}

#[tokio::test]
async fn what_a_killed_run_left_to_do_is_done_by_its_repetition() {
    let world = World::new();
    let mut options = ProposeOptions {
        labels: vec!["pins".into()],
        reviewers: vec!["ann".into()],
        auto_merge: Some(github::MergeMethod::Squash),
        dispatch: Some(Dispatch {
            workflow: "acceptance.yaml".into(),
            context: "acceptance".into(),
        }),
        ..ProposeOptions::new("1")
    };
    // Killed when it has opened the request, and reads what is open once more.
    world.forge.state().failing.insert("pull_requests", 2);
    world.run(NEW, &options).await.unwrap_err();
    assert_eq!(world.forge.state().open(), [1]);
    assert!(world.forge.state().dispatched.is_empty());
    world.forge.state().failing.clear();

    for _ in 0..2 {
        let again = world.ok(NEW, &options).await;
        assert_eq!(again.action, PinAction::Unchanged);
        let state = world.forge.state();
        let pull = &state.pulls[0];
        assert_eq!(pull.details.labels, ["pins"]);
        assert_eq!(pull.details.reviewers, ["ann"]);
        assert!(pull.auto_merge);
        assert_eq!(state.dispatched.len(), 1);
        assert_eq!(state.calls["request_reviewers"], 1);
    }

    // A later commit with the same pins: whoever has reviewed is left in peace.
    world.forge.state().pulls[0].details.reviewers.clear();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    options.branch = "bot/pin-2".into();
    let later = world.ok(NEW, &options).await;
    assert_eq!(later.action, PinAction::Unchanged);
    let state = world.forge.state();
    assert_eq!(state.calls["request_reviewers"], 1);
    assert_eq!(state.calls["auto_merge"], 2);
    assert_eq!(state.dispatched.len(), 1);
}

const OTHER: char = 'd';
