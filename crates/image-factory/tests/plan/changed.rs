//! What is told of a change, and what the record of inputs holds.

use image_factory::plan::{BuildPlan, InputsRecord, Why};

use super::shelf::{Shelf, digest};
use super::{Project, REPOSITORY, why};

#[tokio::test]
async fn says_what_changed_since_the_pin() {
    let project = Project::new("ARG X\nFROM python:3\nCOPY libs /libs\n");
    let shelf = Shelf::default();
    shelf.put("docker.io/library/python:3", "1");
    let first = project.plan(&shelf).await;
    let record = first.record(&first.items[0]).unwrap();
    assert_eq!(record.key, first.items[0].key);
    assert_eq!(
        record.files.keys().collect::<Vec<_>>(),
        ["libs/a.py", "libs/deep/b.py"]
    );
    assert!(record.files["libs/a.py"].starts_with("100644 "));

    project.pin(&format!("{REPOSITORY}@{}", digest("8")));
    project.write("code/libs/a.py", "changed");
    assert_eq!(why(&project.item(&shelf).await), "inputs changed");
    let keep = |bytes: Vec<Vec<u8>>| {
        shelf.records.lock().unwrap().insert(digest("8"), bytes);
    };
    keep(vec![b"nonsense".to_vec()]);
    assert_eq!(why(&project.item(&shelf).await), "inputs changed");
    // One that can be read is enough.
    keep(vec![b"nonsense".to_vec(), record.to_bytes().unwrap()]);
    let short = digest("8").short().to_owned();
    let item = project.item(&shelf).await;
    assert_eq!(
        why(&item),
        format!("`code/libs/a.py` changed since pin {short}")
    );

    // An image that came out the same from other inputs has a record of each, in any order.
    let mut further = record.clone();
    further.dockerfile_sha256 = "0".repeat(64);
    further.context_sha256 = "0".repeat(64);
    further.files.insert("libs/z.py".into(), "100644 1".into());
    let further = further.to_bytes().unwrap();
    keep(vec![record.to_bytes().unwrap(), further]);
    assert_eq!(why(&project.item(&shelf).await), why(&item));

    shelf.put("docker.io/library/python:3", "2");
    project.write("code/libs/b.py", "new");
    assert_eq!(
        why(&project.item(&shelf).await),
        format!("`code/libs/a.py` changed since pin {short} (and 2 more)")
    );
    project.write("code/libs/a.py", "libs/a.py");
    std::fs::remove_file(project.folder.path().join("code/libs/b.py")).unwrap();
    let (from, to) = (
        digest("1").short().to_owned(),
        digest("2").short().to_owned(),
    );
    assert_eq!(
        why(&project.item(&shelf).await),
        format!("base `python:3` moved {from}→{to} since pin {short}")
    );
    // A few are named, all are counted.
    for index in 0..100 {
        project.write(&format!("code/libs/new_{index}.py"), "");
    }
    let Why::Changed { changes, more, .. } = project.item(&shelf).await.why() else {
        panic!("changed");
    };
    assert_eq!((changes.len(), more), (20, 81));
}

#[tokio::test]
async fn a_plan_that_was_read_has_no_records_and_is_the_same() {
    let project = Project::new("FROM scratch\nCOPY . /\n");
    let plan = project.plan(&Shelf::default()).await;
    let json = serde_json::to_string(&plan).unwrap();
    assert!(json.len() < 1000, "{json}");
    let read: BuildPlan = serde_json::from_str(&json).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.record(&read.items[0]), None);
    let record = plan.record(&plan.items[0]).unwrap();
    let bytes = record.to_bytes().unwrap();
    assert_eq!(InputsRecord::from_bytes(&bytes).unwrap(), record);
}

#[tokio::test]
async fn values_of_build_arguments_are_nowhere_in_the_record() {
    let project = Project::new("FROM scratch\nARG TOKEN\n");
    project.write(
        "code/registry/one.yaml",
        "ref: x/one@1\nimage:\n  oci: sha256:pending\nbuild:\n  context: .\n  \
         dockerfile: one/Dockerfile\n  args:\n    TOKEN: very-private\n",
    );
    let plan = project.plan(&Shelf::default()).await;
    let record = plan.record(&plan.items[0]).unwrap();
    assert!(record.args.contains_key("TOKEN"));
    assert!(
        !serde_json::to_string(&record)
            .unwrap()
            .contains("very-private")
    );
}
