//! How long a plan asks why: at a registry that takes its time.

use std::time::Duration;

use super::shelf::{Shelf, digest};
use super::{Project, REPOSITORY, why};

/// A project of many processors, each pinned to an image of its own.
fn many(count: usize) -> Project {
    let project = Project::new("FROM scratch\nCOPY libs /libs\n");
    for number in 0..count {
        let pin = format!("{REPOSITORY}@{}", digest(&format!("{number:064}")));
        let text = format!(
            "ref: x/many-{number}@1\nimage:\n  oci: {pin}\nbuild:\n  context: .\n  \
             dockerfile: one/Dockerfile\n"
        );
        project.write(&format!("code/registry/many-{number}.yaml"), &text);
    }
    project
}

#[tokio::test]
async fn many_pins_are_explained_at_once_within_bounds() {
    const MOST: usize = 32 * 1024 * 1024;
    let project = many(200);
    let shelf = Shelf::default();
    *shelf.slow.lock().unwrap() = Duration::from_millis(20);
    let plan = project.plan(&shelf).await;
    assert_eq!(plan.items.len(), 201);
    let [_, (_, open)] = *shelf.open.lock().unwrap();
    assert!((32..=64).contains(&open), "{open} questions at once");

    let record = plan.record(&plan.items[0]).unwrap().to_bytes().unwrap();
    // Bytes that do not shrink: longer than what is taken at first, and still read.
    let noise = (0..200_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut longer = plan.record(&plan.items[0]).unwrap();
    longer.files = noise
        .map(|noise| (format!("{noise:x}"), "100644 1".to_owned()))
        .take(100_000)
        .collect();
    let longer = longer.to_bytes().unwrap();
    assert!(longer.len() > 512 * 1024, "{}", longer.len());
    let of = |number: usize| match number {
        7 => longer.clone(),
        _ => record.clone(),
    };
    shelf
        .records
        .lock()
        .unwrap()
        .extend((0..200).map(|number| (digest(&format!("{number:064}")), vec![of(number)])));
    project.write("code/libs/a.py", "changed");
    let items = project.plan(&shelf).await.items;
    let short = digest(&format!("{:064}", 9)).short().to_owned();
    let of = |number: usize| {
        items
            .iter()
            .find(|item| item.reference.to_string() == format!("x/many-{number}@1"))
            .unwrap()
    };
    assert_eq!(
        why(of(9)),
        format!("`code/libs/a.py` changed since pin {short}")
    );
    // Of the record that does not fit at first, every file is gone.
    let told = why(of(7));
    assert!(told.ends_with(" more)"), "{told}");
    let [_, (bytes, _)] = *shelf.open.lock().unwrap();
    assert!((MOST / 2..=MOST).contains(&bytes), "{bytes} bytes at once");
}

/// Time passes here as soon as nobody works.
#[tokio::test(start_paused = true)]
async fn a_registry_that_never_says_why_is_not_waited_for() {
    let project = many(1);
    let shelf = Shelf::default();
    *shelf.slow.lock().unwrap() = Duration::from_secs(24 * 3600);
    let before = tokio::time::Instant::now();
    let plan = project.plan(&shelf).await;
    assert!(before.elapsed() < Duration::from_secs(60));
    let told: Vec<String> = plan.items.iter().map(why).collect();
    assert!(told.contains(&"inputs changed".to_owned()), "{told:?}");
}
