//! Reports that lie in the build context, as they do where the context is the whole repository.

use image_factory::build::BuildReport;
use image_factory::{ErrorClass, pin};
use process::Command;
use tokio_util::sync::CancellationToken;

use super::shelf::{Shelf, digest};
use super::{Project, REPOSITORY};
use image_factory::plan::BuildPlan;

/// What a build of this plan reports.
fn built(plan: &BuildPlan) -> BuildReport {
    let built: Vec<_> = plan
        .items
        .iter()
        .map(|item| {
            let image = item.repository.at(digest("9"));
            serde_json::json!({
                "ref": item.reference, "file": item.file, "pin-platform": item.pin_platform,
                "image": image, "key": item.key, "decision": "built", "why": item.why(),
                "platforms": item.platforms, "base-images": item.base_images, "tags": [],
                "seconds": 1,
            })
        })
        .collect();
    let report = serde_json::json!({
        "schema": 1, "ended-at": "2026-03-01T12:00:00Z", "built": built
    });
    serde_json::from_value(report).unwrap()
}

async fn git(project: &Project, words: &[&str]) {
    let user = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
    Command::new("git")
        .args(user)
        .args(words)
        .current_dir(project.folder.path())
        .run(&CancellationToken::new())
        .await
        .expect("this test needs git: apt-get install git");
}

#[tokio::test]
async fn a_report_in_the_context_is_no_part_of_it_unless_git_tracks_it() {
    let mut project = Project::new("FROM scratch\nCOPY . /app\n");
    let report = project.folder.path().join("code/build.json");
    project.options.reports = vec![report.clone(), "/nowhere/at/all.json".into()];
    let shelf = Shelf::default();
    let before = project.plan(&shelf).await;
    project.write("code/build.json", "{}");
    assert_eq!(project.item(&shelf).await.key, before.items[0].key);
    assert_eq!(project.after(&before, &[]).await, []);
    project.write("code/libs/build.json", "{}");
    assert_ne!(project.item(&shelf).await.key, before.items[0].key);
    std::fs::remove_file(project.folder.path().join("code/libs/build.json")).unwrap();

    git(&project, &["init", "--quiet"]).await;
    git(&project, &["add", "."]).await;
    let tracked = project.item(&shelf).await.key;
    assert_ne!(tracked, before.items[0].key);
    git(&project, &["rm", "--quiet", "--cached", "code/build.json"]).await;
    assert_eq!(project.item(&shelf).await.key, before.items[0].key);
}

#[tokio::test]
async fn what_is_not_as_it_was_built_is_named() {
    let mut project = Project::new("FROM scratch\nCOPY . /app\n");
    let shelf = Shelf::default();
    let plan = project.plan(&shelf).await;
    let record = plan.record(&plan.items[0]).unwrap().to_bytes().unwrap();
    let report = built(&plan);
    let registry = project.registry();
    let changes = pin::changes(&report, &registry).unwrap();
    let cancel = CancellationToken::new();
    project.write("code/build.json", "{}");
    let prove = async |project: &Project| {
        let options = &project.options;
        pin::prove(&registry, &report, &changes, &shelf, options, &cancel).await
    };
    let error = prove(&project).await.unwrap_err();
    insta::assert_snapshot!(error, @r"
    prove the pins: once merged, images would be built again
      x/one@1: the files here are not those that it was built from
    ");
    assert_eq!(error.class(), ErrorClass::Pin);

    shelf
        .records
        .lock()
        .unwrap()
        .insert(digest("9"), vec![record]);
    project.write("code/libs/a.py", "edited");
    let error = prove(&project).await.unwrap_err();
    insta::assert_snapshot!(error, @r"
    prove the pins: once merged, images would be built again
      x/one@1: the files here are not those that it was built from: `code/libs/a.py` changed (and 1 more)
    ");
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("check out") && hint.contains(".dockerignore"),
        "{hint}"
    );

    // Our own report is nothing that was built.
    project.write("code/libs/a.py", "libs/a.py");
    project.options.reports = vec![project.folder.path().join("code/build.json")];
    shelf.asked();
    prove(&project).await.unwrap();
    assert_eq!(shelf.asked(), [""; 0]);
    assert!(report.built[0].image.to_string().starts_with(REPOSITORY));
}
