//! The tree as it will be once the pins are merged.

use registry_model::PinPlace;

use super::Project;
use super::shelf::Shelf;

#[tokio::test]
async fn merging_pins_builds_nothing() {
    // The registry file lies in what is copied: its pin does not count.
    let project = Project::new("FROM python:3\nCOPY . /app\n");
    let shelf = Shelf::default();
    shelf.put("docker.io/library/python:3", "1");
    let plan = project.plan(&shelf).await;
    shelf.asked();
    let edits = [("code/registry/one.yaml", project.pinned(&PinPlace::Oci))];
    assert_eq!(project.after(&plan, &edits).await, []);
    assert_eq!(shelf.asked(), [""; 0]);
    // And so it is when it is merged.
    project.write(
        "code/registry/one.yaml",
        std::str::from_utf8(&edits[0].1).unwrap(),
    );
    assert_eq!(project.item(&shelf).await.key, plan.items[0].key);
}

#[tokio::test]
async fn a_loop_is_found_before_it_starts() {
    // The other pin is an alias: it cannot be told from the rest of the file.
    let project = Project::new("FROM scratch\nCOPY . /app\n");
    project.write(
        "code/registry/one.yaml",
        "ref: x/one@1\nx-old: &old sha256:pending\nimage:\n  platforms:\n    amd64: sha256:pending\n    \
         arm64: *old\nbuild:\n  context: .\n  dockerfile: one/Dockerfile\n",
    );
    let plan = project.plan(&Shelf::default()).await;
    let amd64 = PinPlace::Platform("linux/amd64".parse().unwrap());
    let edits = [("code/registry/one.yaml", project.pinned(&amd64))];
    let again = project.after(&plan, &edits).await;
    let told: Vec<String> = again
        .iter()
        .map(|again| {
            let changes: Vec<String> = again.changes.iter().map(ToString::to_string).collect();
            format!("{}: {}", again.name, changes.join(", "))
        })
        .collect();
    assert_eq!(
        told,
        ["x/one@1 linux/amd64: `code/registry/one.yaml` changed"]
    );
    // It is a loop indeed.
    project.write(
        "code/registry/one.yaml",
        std::str::from_utf8(&edits[0].1).unwrap(),
    );
    let merged = project.item(&Shelf::default()).await;
    assert_ne!(merged.key, plan.items[0].key);
}

#[tokio::test]
async fn a_tree_that_was_edited_since_the_build_is_told_apart() {
    let project = Project::new("FROM scratch\nCOPY libs /libs\n");
    let plan = project.plan(&Shelf::default()).await;
    project.write("code/libs/a.py", "edited");
    let again = project.after(&plan, &[]).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].changes, []);
    // An edit of the Dockerfile counts, too, and what it sees follows from it.
    project.write("code/libs/a.py", "libs/a.py");
    let dockerfile = b"FROM scratch\nCOPY one /one\n".to_vec();
    let again = project
        .after(&plan, &[("code/one/Dockerfile", dockerfile)])
        .await;
    assert_eq!(
        again[0].changes[0].to_string(),
        "`code/one/Dockerfile` changed"
    );
}
