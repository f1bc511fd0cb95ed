//! Runs against the embedded GitHub, and others who write at the same time.

use github::MergeMethod;
use promotion::{PromotionError, RunOptions, Scope, WhyNot, run, verify};
use tokio_util::sync::CancellationToken;

use super::image;
use super::world::{Meddled, World, file_of, pin};

const BRANCH: &str = "promote/dev-to-staging";
const ALL: Scope = Scope::All { join: false };

#[tokio::test(flavor = "multi_thread")]
async fn a_request_carries_the_planned_commit_although_the_source_moves_on() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2'), ("three", '3')]).await;
    let plan = world.plan().await;
    // In between, and again before it is merged.
    world.pin("dev", &[("two", '4')]).await;
    let report = world.go(&plan, ALL, false).await.unwrap();
    assert_eq!((report.merged, report.moves.len()), (None, 2));
    let number = report.pull_request.unwrap().number;
    let open = world.open().await;
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].head.as_str(), &open[0].head_sha),
        (BRANCH, &plan.commit)
    );
    let shown = world.repo().pull_request(number).await.unwrap();
    let body = shown.body.replace(plan.commit.as_str(), "COMMIT");
    insta::assert_snapshot!(format!("{}\n\n{body}", shown.title), @r"
    Promote dev to staging

    Merges `dev` at COMMIT into `staging`. The images are the ones that run in `dev`; nothing is built again.

    | processor | `staging` now | then |
    | --- | --- | --- |
    | `text/one@1` | `111111111111` | `222222222222` |
    | `text/three@1` | `111111111111` | `333333333333` |
    ");

    // Once more: everything is as it should be.
    let again = world.go(&plan, ALL, false).await.unwrap();
    assert_eq!(again.pull_request.unwrap().number, number);
    assert_eq!(
        (world.open().await, world.branches().await),
        (open, vec![BRANCH.to_owned()])
    );

    world.pin("dev", &[("one", '5')]).await;
    let repo = world.repo();
    repo.merge_pull_request(number, MergeMethod::Merge, &plan.commit)
        .await
        .unwrap();
    assert_eq!(world.pins("staging").await, "213");
    verify(&plan, &world.standing("staging").await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_plan_wins() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2')]).await;
    let older = world.plan().await;
    world.go(&older, ALL, false).await.unwrap();
    world.pin("dev", &[("one", '3')]).await;
    let newer = world.plan().await;
    world.go(&newer, ALL, false).await.unwrap();
    let open = world.open().await;
    assert_eq!((open.len(), &open[0].head_sha), (1, &newer.commit));
    let shown = world.repo().pull_request(open[0].number).await.unwrap();
    assert!(shown.body.contains(newer.commit.as_str()) && shown.body.contains("`333333333333`"));

    let error = world.go(&older, ALL, true).await.unwrap_err();
    assert!(
        matches!(&error, PromotionError::Moved { branch, found, .. }
            if branch == "dev" && *found == newer.commit),
        "{error}"
    );
    assert_eq!(error.hint().as_deref(), Some("run it again"));
    assert_eq!(
        (world.open().await, world.pins("staging").await),
        (open, "111".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn merging_leaves_nothing_but_the_pins() {
    let world = World::new().await;
    let commit = world.pin("dev", &[("one", '2')]).await;
    let plan = world.plan().await;
    // Others pin right before the merge: on `dev` that is for the next time.
    let forge = Meddled::new(&world, "merge", |clone| async move {
        pin(&clone, "dev", &[("two", '4')]).await;
    });
    let options = RunOptions {
        merge: true,
        ..RunOptions::default()
    };
    let report = run(&plan, &options, &forge, &CancellationToken::new())
        .await
        .unwrap();
    assert!(forge.was_meddled());
    assert_eq!(world.pins("staging").await, "211");
    let after = world.standing("staging").await;
    assert_eq!(report.merged, Some(after.commit.clone()));
    verify(&plan, &after).unwrap();
    // The target has the source's own commit, so that the next promotion is a merge again.
    world
        .git(&["merge-base", "--is-ancestor", commit.as_str(), "HEAD"])
        .await;
    assert_eq!(
        (world.branches().await, world.open().await),
        (vec![], vec![])
    );

    let next = world.plan().await;
    world.go(&next, ALL, true).await.unwrap();
    assert_eq!(world.pins("staging").await, "241");
    let nothing = world.plan().await;
    let report = world.go(&nothing, ALL, true).await.unwrap();
    assert_eq!((report.pull_request, report.merged), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_merged_is_told_whatever_comes_after_it() {
    let world = World::new().await;
    let options = RunOptions {
        merge: true,
        ..RunOptions::default()
    };
    world.pin("dev", &[("one", '2')]).await;
    let (plan, cancel) = (world.plan().await, CancellationToken::new());
    let interrupts = cancel.clone();
    let forge = Meddled::new(
        &world,
        "starting_with",
        |_| async move { interrupts.cancel() },
    );
    let report = run(&plan, &options, &forge, &cancel).await.unwrap();
    assert!(forge.was_meddled() && report.merged.is_some());
    let stay = "requests and branches that have nothing to give any more stay: ";
    assert_eq!(report.notices.len(), 1);
    assert!(report.notices[0].starts_with(stay), "{:?}", report.notices);
    assert!(report.notices[0].ends_with("interrupted"));
    assert_eq!(world.pins("staging").await, "211");

    world.pin("dev", &[("one", '3')]).await;
    let (plan, git_dir) = (world.plan().await, world.git_dir());
    let forge = Meddled::new(&world, "starting_with", |_| async move {
        std::fs::remove_dir_all(git_dir).unwrap();
    });
    let never = CancellationToken::new();
    let report = run(&plan, &options, &forge, &never).await.unwrap();
    assert!(forge.was_meddled() && report.merged.is_some());
    assert!(report.notices[0].starts_with(stay), "{:?}", report.notices);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_pin_in_the_target_stays_and_is_told() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2')]).await;
    let plan = world.plan().await;
    let forge = Meddled::new(&world, "merge", |clone| async move {
        pin(&clone, "staging", &[("three", '9')]).await;
    });
    let options = RunOptions {
        merge: true,
        ..RunOptions::default()
    };
    run(&plan, &options, &forge, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(world.pins("staging").await, "219");
    let error = verify(&plan, &world.standing("staging").await).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("text/three@1: planned 111111111111, and it is 999999999999")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn some_processors_go_alone_and_byte_for_byte() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2'), ("two", '3')]).await;
    let (plan, scope) = world.plan_some(&["two"]).await;
    let report = world.go(&plan, scope.clone(), false).await.unwrap();
    assert!(report.partial);
    let open = world.open().await;
    assert!(open[0].head.starts_with("promote/dev-to-staging."));
    let shown = world.repo().pull_request(open[0].number).await.unwrap();
    let body = shown.body.replace(plan.commit.as_str(), "COMMIT");
    insta::assert_snapshot!(format!("{}\n\n{body}", shown.title), @r"
    Promote text/two@1 of dev to staging

    Pins in `staging` what `dev` pins at COMMIT, for these processors and no other. The images are the ones that run in `dev`; nothing is built again.

    | processor | `staging` now | then |
    | --- | --- | --- |
    | `text/two@1` | `111111111111` | `333333333333` |
    ");
    // The same again is the same commit.
    world.go(&plan, scope.clone(), false).await.unwrap();
    assert_eq!(world.open().await, open);

    let before = world.git(&["rev-parse", "origin/staging"]).await;
    let merged = world.go(&plan, scope, true).await.unwrap().merged.unwrap();
    let diff = world.git(&["fetch", "--quiet", "origin"]).await;
    assert_eq!(diff, "");
    let changed = [
        "diff",
        "--unified=0",
        "--no-color",
        before.as_str(),
        merged.as_str(),
    ];
    let diff = world.git(&changed).await;
    let lines: Vec<&str> = diff
        .lines()
        .filter(|it| !it.starts_with("index "))
        .collect();
    let (file, old, new) = (file_of("two"), image('1'), image('3'));
    assert_eq!(
        lines,
        [
            format!("diff --git a/{file} b/{file}"),
            format!("--- a/{file}"),
            format!("+++ b/{file}"),
            "@@ -4 +4 @@ image:".to_owned(),
            format!("-    oci:   {old} # the bot writes here"),
            format!("+    oci:   {new} # the bot writes here"),
        ]
    );
    assert_eq!(
        (world.pins("staging").await, world.branches().await),
        ("131".to_owned(), vec![])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_moved_is_planned_anew_for_some() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2')]).await;
    let (plan, scope) = world.plan_some(&["one"]).await;
    world.pin("staging", &[("one", '8')]).await;
    let error = world.go(&plan, scope.clone(), true).await.unwrap_err();
    assert!(matches!(&error, PromotionError::Moved { branch, .. } if branch == "staging"));
    assert_eq!(
        (world.pins("staging").await, world.branches().await),
        ("811".to_owned(), vec![])
    );

    // Right before the merge, another processor: both come to be.
    let (plan, scope) = world.plan_some(&["one"]).await;
    let forge = Meddled::new(&world, "merge", |clone| async move {
        pin(&clone, "staging", &[("three", '9')]).await;
    });
    let options = RunOptions {
        merge: true,
        scope,
        ..RunOptions::default()
    };
    run(&plan, &options, &forge, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(world.pins("staging").await, "219");
    verify(&plan, &world.standing("staging").await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_follow_some_after_the_source_went_on() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2'), ("two", '3')]).await;
    let (some, scope) = world.plan_some(&["one"]).await;
    world.go(&some, scope, true).await.unwrap();
    world.pin("dev", &[("one", '4')]).await;
    let plan = world.plan().await;
    // To git that is a conflict.
    let error = world.go(&plan, ALL, true).await.unwrap_err();
    assert!(matches!(error, PromotionError::Github { .. }), "{error}");
    assert_eq!(world.pins("staging").await, "211");

    let join = Scope::All { join: true };
    let proposed = world.go(&plan, join.clone(), false).await.unwrap();
    let again = world.go(&plan, join.clone(), false).await.unwrap();
    assert_eq!(again.pull_request, proposed.pull_request);
    world.go(&plan, join, true).await.unwrap();
    assert_eq!(world.pins("staging").await, "431");
    world.git(&["fetch", "--quiet", "origin"]).await;
    assert_eq!(
        world.git(&["diff", "origin/dev", "origin/staging"]).await,
        ""
    );
    assert_eq!(
        (world.branches().await, world.open().await),
        (vec![], vec![])
    );
    // And a plain merge is enough the next time.
    world.pin("dev", &[("one", '5')]).await;
    let plan = world.plan().await;
    world.go(&plan, ALL, true).await.unwrap();
    assert_eq!(world.pins("staging").await, "531");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_others_are_left_alone() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2')]).await;
    let plan = world.plan().await;
    world.go(&plan, ALL, false).await.unwrap();
    let theirs = world.pin(BRANCH, &[("two", '9')]).await;
    for merge in [false, true] {
        let error = world.go(&plan, ALL, merge).await.unwrap_err();
        assert!(matches!(error, PromotionError::Blocked { .. }), "{error}");
        assert!(error.is_rule() && error.hint().unwrap().contains(BRANCH));
    }
    let (some, scope) = world.plan_some(&["one"]).await;
    world.go(&some, scope, true).await.unwrap();
    let open = world.open().await;
    assert_eq!((open.len(), &open[0].head_sha), (1, &theirs));
    assert_eq!(world.pins("staging").await, "211");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_words_over_other_files_are_not_merged() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2'), ("two", '3')]).await;
    let (some, scope) = world.plan_some(&["one"]).await;
    world.go(&some, scope.clone(), false).await.unwrap();
    let branch = world.open().await[0].head.clone();
    let forged = world.forge_pins(&branch, &[("three", '9')]).await;
    for merge in [false, true] {
        let error = world.go(&some, scope.clone(), merge).await.unwrap_err();
        assert!(matches!(error, PromotionError::Blocked { .. }), "{error}");
    }
    // It stays for whoever wants to know.
    assert_eq!(world.open().await[0].head_sha, forged);
    assert_eq!(world.pins("staging").await, "111");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_join_is_not_merged() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2')]).await;
    let (some, scope) = world.plan_some(&["one"]).await;
    world.go(&some, scope, true).await.unwrap();
    world.pin("dev", &[("one", '4')]).await;
    let (plan, join) = (world.plan().await, Scope::All { join: true });
    world.go(&plan, join.clone(), false).await.unwrap();
    world.forge_pins(BRANCH, &[("three", '9')]).await;
    let error = world.go(&plan, join, true).await.unwrap_err();
    assert!(matches!(error, PromotionError::Blocked { .. }), "{error}");
    assert_eq!(world.pins("staging").await, "211");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_right_before_the_merge_is_not_merged() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2')]).await;
    let plan = world.plan().await;
    let forge = Meddled::new(&world, "merge", |clone| async move {
        pin(&clone, BRANCH, &[("two", '9')]).await;
    });
    let options = RunOptions {
        merge: true,
        ..RunOptions::default()
    };
    let error = run(&plan, &options, &forge, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, PromotionError::Blocked { .. }), "{error}");
    assert_eq!(world.pins("staging").await, "111");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_nothing_to_give_is_closed() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2'), ("two", '3')]).await;
    for names in [&["one"][..], &["two"], &["one", "two"]] {
        let (plan, scope) = world.plan_some(names).await;
        world.go(&plan, scope, false).await.unwrap();
    }
    assert_eq!(
        (world.open().await.len(), world.branches().await.len()),
        (3, 3)
    );
    let plan = world.plan().await;
    world.go(&plan, ALL, true).await.unwrap();
    assert_eq!(
        (world.open().await, world.branches().await),
        (vec![], vec![])
    );
    let first = world.repo().comments(1).await.unwrap();
    assert!(
        first[0].body.contains("`staging` has the pins of"),
        "{}",
        first[0].body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_make_one_request() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2')]).await;
    let plan = world.plan().await;
    let runs = [(); 4].map(|()| world.go(&plan, ALL, false));
    let [a, b, c, d] = runs;
    let all = tokio::join!(a, b, c, d);
    let numbers = [all.0, all.1, all.2, all.3].map(|it| it.unwrap().pull_request.unwrap().number);
    assert_eq!(numbers, [1; 4]);
    assert_eq!(world.open().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_merges_at_once_merge_once() {
    // Right before one makes its branch, opens its request and merges it, the other is done.
    for call in ["branch_at", "open", "merge"] {
        let world = World::new().await;
        world.pin("dev", &[("one", '2')]).await;
        let plan = world.plan().await;
        let options = RunOptions {
            merge: true,
            ..RunOptions::default()
        };
        let other = (world.repo(), plan.clone(), options.clone());
        let forge = Meddled::new(&world, call, |_| async move {
            let (repo, plan, options) = other;
            let done = run(&plan, &options, &repo, &CancellationToken::new()).await;
            assert!(done.unwrap().merged.is_some());
        });
        let never = CancellationToken::new();
        let error = run(&plan, &options, &forge, &never).await.unwrap_err();
        assert!(forge.was_meddled());
        let moved = matches!(&error, PromotionError::Moved { branch, .. } if branch == "staging");
        assert!(moved, "{call}: {error}");
        assert_eq!(world.pins("staging").await, "211");
        assert_eq!(
            (world.branches().await, world.open().await),
            (vec![], vec![])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_went_back_by_itself_is_told_apart() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2')]).await;
    let plan = world.plan().await;
    world.go(&plan, ALL, true).await.unwrap();
    world.pin("staging", &[("one", '1')]).await;
    let plan = world.plan().await;
    let error = world.go(&plan, ALL, true).await.unwrap_err();
    assert!(
        matches!(error, PromotionError::Reverted { .. }),
        "{error:?}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("revert that commit on `staging`")
    );
    // By name, it goes.
    let (some, scope) = world.plan_some(&["one"]).await;
    world.go(&some, scope, true).await.unwrap();
    assert_eq!(world.pins("staging").await, "211");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_for_what_may_not_go() {
    let world = World::new().await;
    world.pin("dev", &[("one", '2'), ("two", '-')]).await;
    let plan = world.plan().await;
    let error = world.go(&plan, ALL, true).await.unwrap_err();
    assert!(
        matches!(&error, PromotionError::Refused { refused, .. }
            if refused.len() == 1 && refused[0].reference.to_string() == "text/two@1"),
        "{error}"
    );
    world.pin("dev", &[("two", '3')]).await;
    let plan = world.plan().await;
    let mut admissions = promotion::gate(&plan, &Default::default(), &Default::default());
    admissions[0].why_not.push(WhyNot {
        rule: promotion::Rule::Receipt,
        text: "no receipt of acceptance".to_owned(),
        cure: "run it".to_owned(),
    });
    let options = RunOptions {
        merge: true,
        admissions,
        ..RunOptions::default()
    };
    let cancel = CancellationToken::new();
    let error = run(&plan, &options, &world.repo(), &cancel)
        .await
        .unwrap_err();
    assert!(matches!(error, PromotionError::Refused { .. }), "{error}");

    cancel.cancel();
    let error = run(&plan, &RunOptions::default(), &world.repo(), &cancel)
        .await
        .unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(
        (world.open().await, world.branches().await),
        (vec![], vec![])
    );
    assert_eq!(world.pins("staging").await, "111");
}
