//! What is there already, and what is built again.

use std::time::Duration;

use image_factory::plan::{Decision, Why};

use super::shelf::{Answer, Shelf, config, digest};
use super::{Project, REPOSITORY, bases, why};

#[tokio::test]
async fn a_key_that_is_there_is_reused_and_403_means_it_is_not() {
    let project = Project::new("FROM scratch\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    let item = project.item(&shelf).await;
    assert_eq!(why(&item), "first build");
    let tag = format!("{REPOSITORY}:{}", item.key.tag());
    assert_eq!(shelf.asked(), [format!("resolve {tag}")]);
    shelf.answer(&tag, Answer::Forbidden);
    assert_eq!(why(&project.item(&shelf).await), "first build");
    shelf.answer(&tag, Answer::Unauthorized);
    assert!(project.try_plan(&shelf).await.is_err());
    shelf.put(&tag, "6");
    let item = project.item(&shelf).await;
    assert_eq!(
        item.decision,
        Decision::Reuse {
            digest: digest("6")
        }
    );
}

#[tokio::test]
async fn age_and_force_build_again() {
    let mut project = Project::new("FROM scratch\n");
    let shelf = Shelf::default();
    let key = project.item(&shelf).await.key;
    shelf.put(&format!("{REPOSITORY}:{}", key.tag()), "6");
    let made = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(50);
    shelf
        .configs
        .lock()
        .unwrap()
        .insert(digest("6"), config(&[], Some(made)));
    project.options.max_age = Some(Duration::from_secs(3600 * 60));
    assert!(project.item(&shelf).await.reused().is_some());
    project.options.max_age = Some(Duration::from_secs(3600 * 40));
    let item = project.item(&shelf).await;
    assert_eq!(item.why(), Why::TooOld { made });
    assert_eq!(
        why(&item),
        format!("too old: made {}", made.strftime("%Y-%m-%d"))
    );
    assert_eq!(item.key, key);
    project.options.rebuild = true;
    assert_eq!(why(&project.item(&shelf).await), "forced");
}

/// An image that only sets metadata says of itself that it is as old as its base, whenever it was
/// built.
#[tokio::test]
async fn age_is_counted_from_the_last_build_and_ends_in_no_loop() {
    let mut project = Project::new("FROM scratch\nUSER 5\n");
    project.options.max_age = Some(Duration::from_secs(3600 * 40));
    let shelf = Shelf::default();
    let key = project.item(&shelf).await.key;
    shelf.put(&format!("{REPOSITORY}:{}", key.tag()), "6");
    let ago = |hours| jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
    let base = config(&[], Some(ago(10_000)));
    shelf.configs.lock().unwrap().insert(digest("6"), base);
    let plan = project.plan(&shelf).await;
    assert!(matches!(plan.items[0].why(), Why::TooOld { .. }));

    // Built again, to the same image.
    shelf
        .records
        .lock()
        .unwrap()
        .insert(digest("6"), vec![Vec::new()]);
    let noted = |hours| shelf.noted.lock().unwrap().insert(digest("6"), ago(hours));
    noted(1);
    assert_eq!(project.after(&plan, &[]).await, []);
    assert!(project.item(&shelf).await.reused().is_some());
    noted(50);
    assert!(matches!(
        project.item(&shelf).await.why(),
        Why::TooOld { .. }
    ));

    // A time that was chosen says nothing of the age, but the note does.
    project.options.settings.source_date_epoch = Some(0);
    let key = project.item(&shelf).await.key;
    shelf.put(&format!("{REPOSITORY}:{}", key.tag()), "7");
    let chosen = config(&[], Some(jiff::Timestamp::UNIX_EPOCH));
    shelf.configs.lock().unwrap().insert(digest("7"), chosen);
    assert!(project.item(&shelf).await.reused().is_some());
    shelf
        .records
        .lock()
        .unwrap()
        .insert(digest("7"), vec![Vec::new()]);
    shelf.noted.lock().unwrap().insert(digest("7"), ago(50));
    assert!(matches!(
        project.item(&shelf).await.why(),
        Why::TooOld { .. }
    ));
}

#[tokio::test]
async fn offline_asks_nobody() {
    let mut project = Project::new("FROM python:3\nCOPY libs /libs\n");
    project.options.offline = true;
    let shelf = Shelf::default();
    let item = project.item(&shelf).await;
    assert_eq!(shelf.asked(), [""; 0]);
    assert_eq!(item.why(), Why::NotAsked);
    assert_eq!(bases(&item), ["python:3 = docker.io/library/python:3"]);
}
