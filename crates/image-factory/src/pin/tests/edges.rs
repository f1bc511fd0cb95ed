use super::*;

#[test]
fn only_what_differs_changes_and_after_that_nothing_does() {
    let root = repository();
    let found = changes(&all(NEW), &registry(&root)).unwrap();
    let names: Vec<_> = found.changes.iter().map(PinChange::name).collect();
    assert_eq!(names, ["x/one@1", "x/two@1", "x/three@1 linux/amd64"]);
    assert_eq!(found.changes[1].old, None);
    assert_eq!(found.changes[0].old_size, Some(12_300_000));
    assert_eq!(found.changes[1].old_size, None, "it replaces nothing");

    assert_eq!(apply(root.path(), &found).unwrap(), 3);
    let three = std::fs::read_to_string(root.path().join("registry/three.yaml")).unwrap();
    assert!(three.contains(&format!("amd64: {}", image("three", NEW))));
    assert!(three.contains(&format!("arm64: {}", image("three", OLD))));
    assert!(three.contains("# kept"));

    let after = changes(&all(NEW), &registry(&root)).unwrap();
    assert!(after.is_empty());
    assert_eq!(after.unchanged.len(), 4);
    assert_eq!(apply(root.path(), &found).unwrap(), 0);
}

#[test]
fn a_report_of_other_files_is_refused() {
    let root = repository();
    let error = changes(&report(&[("four", None, NEW)]), &registry(&root)).unwrap_err();
    insta::assert_snapshot!(error, @"pin x/four@1: it is not in registry/four.yaml");
    let error = changes(&report(&[("three", None, NEW)]), &registry(&root)).unwrap_err();
    insta::assert_snapshot!(error, @"pin x/three@1: registry/three.yaml has no such pin");
    assert_eq!(error.class(), crate::ErrorClass::Pin);
}

#[test]
fn each_file_that_cannot_be_pinned_is_named_and_the_others_are_written() {
    let root = repository();
    let found = changes(&all(NEW), &registry(&root)).unwrap();
    let one = root.path().join("registry/one.yaml");
    let broken = "ref: x/one@1\nimage:\n  oci: &a x\n";
    std::fs::write(&one, broken).unwrap();
    let error = apply(root.path(), &found).unwrap_err().to_string();
    assert!(
        error.starts_with("pin 1 of 3 files\n  registry/one.yaml: "),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&one).unwrap(), broken);
    assert!(
        std::fs::read_to_string(root.path().join("registry/two.yaml"))
            .unwrap()
            .contains(&image("two", NEW))
    );
}

#[test]
fn reports_of_several_machines_become_one() {
    let one = report(&[("one", None, NEW)]);
    let mut reused = one.clone();
    reused.built[0].decision = crate::build::Outcome::Reused;
    let rest = report(&[
        ("two", None, NEW),
        ("three", Some("linux/amd64"), NEW),
        ("three", Some("linux/arm64"), OLD),
    ]);
    let gathered = gather(vec![reused, rest, one]).unwrap();
    assert_eq!(gathered, all(NEW));

    let reports = vec![all(NEW), report(&[("one", None, NEWER)])];
    let error = gather(reports).unwrap_err();
    let (new, newer) = (image("one", NEW), image("one", NEWER));
    assert_eq!(
        error.to_string(),
        format!("gather the build reports: x/one@1 is {new} in one and {newer} in another")
    );
    assert!(error.hint().unwrap().contains("one machine"));

    let mut other = report(&[("one", None, NEW)]);
    other.built[0].key = "1".repeat(64).parse().unwrap();
    let error = gather(vec![all(NEW), other]).unwrap_err();
    insta::assert_snapshot!(error, @"gather the build reports: x/one@1 is built from 000000000000 in one and built from 111111111111 in another");
    assert_eq!(error.class(), crate::ErrorClass::Pin);
}

#[tokio::test]
async fn the_pull_request_says_what_changes_and_why() {
    let world = World::new();
    let mut options = ProposeOptions::new("17");
    options.run_url = Some("https://github.com/acme/x/actions/runs/17".into());
    world.ok(NEW, &options).await;
    let state = world.forge.state();
    let pull = &state.pulls[0].details;
    insta::assert_snapshot!(pull.title, @"Pin 3 processor images");
    let hash = regex::Regex::new("[0-9a-f]{64}").unwrap();
    insta::assert_snapshot!(hash.replace_all(&pull.body, "[HASH]"), @r"
    <!-- pipeline:pin source=0000000000000000000000000000000000000001 digest-set=[HASH] content=[HASH] scope=all -->
    These images are built and pushed by [this run](https://github.com/acme/x/actions/runs/17), from 0000000 of `dev`. Merging this pins them; it changes nothing that an image is built from.

    | processor | image | size | why |
    | --- | --- | --- | --- |
    | `x/one@1` | `aaaaaaaaaaaa` → `bbbbbbbbbbbb` | 12.3 MB → 12.3 MB | inputs changed |
    | `x/three@1 linux/amd64` | `aaaaaaaaaaaa` → `bbbbbbbbbbbb` | 12.3 MB → 12.3 MB | inputs changed |
    | `x/two@1` | pending → `bbbbbbbbbbbb` | 12.3 MB | inputs changed |
    ");
    insta::assert_snapshot!(hash.replace_all(state.message("bot/pin-17"), "[HASH]"), @r"
    ci: pin processor images (bot)

    Pipeline-Source: 0000000000000000000000000000000000000001
    Pipeline-Base: dev
    Pipeline-Pins: [HASH]
    ");
}

#[tokio::test]
async fn a_thousand_pins_fit_into_the_text() {
    let root = repository();
    let one = changes(&report(&[("one", None, NEW)]), &registry(&root)).unwrap();
    let many: Vec<_> = std::iter::repeat_n(one.changes[0].clone(), 1000).collect();
    let source = "a".repeat(40).parse().unwrap();
    let text = text::body(&many, "dev", &source, None);
    assert!(text.len() < 60_100, "{}", text.len());
    let last = text.lines().last().unwrap();
    let shown = text
        .lines()
        .filter(|line| line.starts_with("| `x/"))
        .count();
    assert_eq!(
        last,
        format!("… and {} more: the files show them.", 1000 - shown)
    );
}

#[tokio::test]
async fn a_proposal_can_be_a_task_of_its_own() {
    let world = std::sync::Arc::new(World::new());
    let changes = world.changes(NEW);
    let task = tokio::spawn(async move {
        let options = ProposeOptions::new("1");
        let cancel = CancellationToken::new();
        let report = propose(&world.forge, &changes, &options, &cancel).await;
        cancel.cancel();
        let again = propose(&world.forge, &changes, &options, &cancel).await;
        (report, again)
    });
    let (report, again) = task.await.unwrap();
    assert_eq!(report.unwrap().action, PinAction::Created);
    assert!(again.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn an_older_run_leaves_out_what_is_gone_since() {
    let world = World::new();
    let built = world.forge.state().branches["dev"].clone();
    world.forge.remove("dev", "registry/two.yaml");
    let done = world.ok(NEW, &from("1", &built)).await;
    assert_eq!(done.action, PinAction::Created);
    insta::assert_snapshot!(done.notices.join("\n"), @"`registry/two.yaml` is not on `dev` any more: its pins are left out");
    let files: Vec<_> = done
        .changes
        .changes
        .iter()
        .map(|one| one.file.clone())
        .collect();
    assert!(!files.contains(&"registry/two.yaml".into()), "{files:?}");
    assert!(
        !world
            .forge
            .state()
            .files("bot/pin-1")
            .contains_key("registry/two.yaml")
    );

    // The newest commit cannot have what it does not have.
    let error = world
        .run(NEWER, &ProposeOptions::new("2"))
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @r"
    pin 1 of 3 files
      registry/two.yaml: it is not on `dev`
    ");
    // Nor is anything closed for a commit that is elsewhere.
    let aside = world.forge.aside(&built);
    let error = world.run(NEWER, &from("3", &aside)).await.unwrap_err();
    assert!(matches!(error, FactoryError::PinSource { .. }), "{error}");
    assert_eq!(world.forge.state().open(), [1]);
}
