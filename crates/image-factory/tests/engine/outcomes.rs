//! What a build leaves in the registry and in its report.

use image_factory::FactoryError;
use image_factory::build::Outcome;
use image_factory::plan::{ARTIFACT_TYPE, Decision, InputKey, InputsRecord, Why};
use oci::{ImageKind, Likeness};

use crate::common::{Project, shell, with_store};

#[tokio::test]
async fn a_rebuild_of_the_same_bits_keeps_the_pin() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        project.processor("one", &shell("RUN echo same > /file\n"), "");
        let plan = project.plan(&store.client).await;
        let first = project.build(&plan, store).await.unwrap();
        assert_eq!(first.built[0].decision, Outcome::Built);
        assert_eq!(first.built[0].replaces, None);
        assert!(first.built[0].size.unwrap() > 100_000);
        assert_eq!(first.built[0].kind, Some(ImageKind::Manifest));
        project.pin(&first);

        project.options.rebuild = true;
        let plan = project.plan(&store.client).await;
        assert_eq!(plan.items[0].why(), Why::Forced);
        let again = project.build(&plan, store).await.unwrap();
        let built = &again.built[0];
        let pushed = store.resolve(&built.image.repository, &built.tags[0]).await;
        let pushed = built.image.repository.at(pushed.unwrap());
        let alike = store.client.compare(&first.built[0].image, &pushed).await;
        assert_eq!(
            built.decision,
            Outcome::Kept(Likeness::OnlyTimestamps),
            "{alike:?}"
        );
        assert_eq!(built.image, first.built[0].image);
        assert_eq!((&built.replaces, built.size), (&None, None));
        // What was pushed is another image, and stays under the tag of the builder.
        assert_ne!(pushed, built.image);
        let repository = &built.image.repository;
        let stands_for = store.resolve(repository, &built.key.tag()).await;
        assert_eq!(stands_for, Some(built.image.digest.clone()));
        // It says when it was built last, whatever its config says.
        let beside = store.client.referrers(&built.image, Some(ARTIFACT_TYPE));
        let beside = beside.await.unwrap();
        let made = |one: &oci::Referrer| -> jiff::Timestamp {
            one.annotations["org.opencontainers.image.created"]
                .parse()
                .unwrap()
        };
        let times: std::collections::BTreeSet<_> = beside.iter().map(made).collect();
        assert_eq!(times.len(), 2, "{beside:?}");
    })
    .await;
}

#[tokio::test]
async fn a_new_image_tells_what_it_replaces_and_their_sizes() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        project.processor("one", &shell("COPY data /data\n"), "");
        project.write("code/data", "small");
        let plan = project.plan(&store.client).await;
        let first = project.build(&plan, store).await.unwrap();
        project.pin(&first);

        let noise: String = std::iter::repeat_with(|| uuid::Uuid::new_v4().to_string())
            .take(10_000)
            .collect();
        project.write("code/data", &noise);
        let plan = project.plan(&store.client).await;
        let second = project.build(&plan, store).await.unwrap();
        let built = &second.built[0];
        assert_eq!(built.decision, Outcome::Built);
        let replaced = built.replaces.as_ref().unwrap();
        assert_eq!(replaced.image, first.built[0].image);
        assert_eq!(replaced.size, first.built[0].size);
        assert!(built.size.unwrap() > replaced.size.unwrap() + 50_000);

        // The files as they were: the first image is taken up again, and says the same of the other.
        project.pin(&second);
        project.write("code/data", "small");
        let plan = project.plan(&store.client).await;
        let back = project.build(&plan, store).await.unwrap().built.remove(0);
        assert_eq!(back.decision, Outcome::Reused);
        assert_eq!(back.image, first.built[0].image);
        assert_eq!(back.size, first.built[0].size);
        assert_eq!(back.replaces.unwrap().size, built.size);
    })
    .await;
}

#[tokio::test]
async fn what_an_image_was_made_from_is_kept_beside_it() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        project.processor("one", &shell(""), "");
        let plan = project.plan(&store.client).await;
        let report = project.build(&plan, store).await.unwrap();
        let image = &report.built[0].image;
        let key = &report.built[0].key;
        let beside = store.client.referrers(image, Some(ARTIFACT_TYPE)).await;
        let [record] = &beside.unwrap()[..] else {
            panic!("not one record")
        };
        assert_eq!(record.annotations["dev.pipeline.input-key"], key.as_str());
        let content = store.client.artifact(&record.manifest).await.unwrap();
        let record = InputsRecord::from_bytes(&content).unwrap();
        assert_eq!(&record.key, key);
        assert!(record.files.contains_key("bin/busybox"), "{record:?}");
    })
    .await;
}

/// Two versions of a processor with one image are built once, whatever each has pinned.
#[tokio::test]
async fn an_image_for_two_pins_is_built_once() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        project.processor("one", &shell(""), "");
        let text = project.read(&crate::common::file_of("one"));
        project.write(
            &crate::common::file_of("one2"),
            &text.replace("x/one@1", "x/one@2").replace(
                "  context: .",
                "  context: .\n  dockerfile: apps/core/processors/x_one/Dockerfile",
            ),
        );
        let plan = project.plan(&store.client).await;
        assert_eq!(plan.items[0].key, plan.items[1].key);
        let first = project.build(&plan, store).await.unwrap();
        assert_eq!(first.built[0].image, first.built[1].image);

        // Only one of them pins it.
        let one = image_factory::build::BuildReport {
            built: vec![first.built[0].clone()],
            ..first.clone()
        };
        project.pin(&one);
        project.options.rebuild = true;
        let plan = project.plan(&store.client).await;
        let again = project.build(&plan, store).await.unwrap();
        assert_eq!(again.built[0].image, first.built[0].image);
        assert_eq!(again.built[1].image, first.built[0].image);
        assert!(matches!(again.built[0].decision, Outcome::Kept(_)));
        assert_eq!(again.built[1].decision, Outcome::Built);
    })
    .await;
}

/// Anybody who may push may set a tag.
#[tokio::test]
async fn what_stands_for_the_inputs_is_not_pinned_unless_it_is_such_an_image() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        let only_files = "FROM scratch\nCOPY unique /unique\n";
        project.processor("one", only_files, "");
        project.options.platforms = vec!["linux/arm64".parse().unwrap()];
        let plan = project.plan(&store.client).await;
        let foreign = project.build(&plan, store).await.unwrap().built.remove(0);
        let artifact = oci::Artifact {
            artifact_type: "application/vnd.cncf.helm.config.v1+json".into(),
            media_type: "text/plain".into(),
            content: b"chart".to_vec(),
            annotations: std::collections::BTreeMap::new(),
        };
        let artifact = store.client.attach(&foreign.image, &artifact).await;

        project.options.platforms = vec!["linux/amd64".parse().unwrap()];
        project.processor("other", &shell(""), "");
        let plan = project.plan(&store.client).await;
        let tag = plan.items[0].key.tag();
        for (wrong, problem) in [
            (
                foreign.image,
                "it is for linux/arm64, and wanted is linux/amd64",
            ),
            (
                artifact.unwrap(),
                "it is an artifact without an image config",
            ),
        ] {
            store.client.move_tag(&wrong, &tag).await.unwrap();
            let plan = project.plan(&store.client).await;
            assert!(matches!(plan.items[0].decision, Decision::Reuse { .. }));
            let error = project.build(&plan, store).await.unwrap_err();
            // The other is there all the same, and is told.
            let FactoryError::BuildFailed(failure) = &error else {
                panic!("{error}")
            };
            let built: Vec<_> = failure.report.built.iter().map(|one| one.name()).collect();
            assert_eq!(built, ["x/other@1"]);
            let message = &failure.failed[0].message;
            assert_eq!(message, &format!("use `{wrong}` for x/one@1: {problem}"));
            assert!(error.hint().unwrap().contains("--rebuild"));
        }

        project.options.rebuild = true;
        let plan = project.plan(&store.client).await;
        let healed = project.build(&plan, store).await.unwrap();
        project.options.rebuild = false;
        let plan = project.plan(&store.client).await;
        assert_eq!(plan.items[0].reused(), Some(healed.built[0].image.clone()));
        let reused = project.build(&plan, store).await.unwrap();
        assert_eq!(reused.built[0].kind, Some(ImageKind::Manifest));
    })
    .await;
}

/// The tag under which the builder pushes an image with this key, some days ago.
fn day_tag(key: &InputKey, days: i64) -> String {
    let day = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
    let digits = key.tag().replace("inputs-", "");
    format!("{}-{digits}", day.strftime("build-%Y%m%d"))
}

/// Who cuts a run off leaves images that have only the tag of the builder.
#[tokio::test]
async fn what_was_pushed_since_yesterday_is_taken_up_if_it_is_such_an_image() {
    with_store(async |store| {
        let mut project = Project::new(&store.host);
        project.processor("one", "FROM scratch\nCOPY unique /unique\n", "");
        project.options.platforms = vec!["linux/arm64".parse().unwrap()];
        let plan = project.plan(&store.client).await;
        let foreign = project.build(&plan, store).await.unwrap().built.remove(0);
        project.options.platforms = vec!["linux/amd64".parse().unwrap()];
        let plan = project.plan(&store.client).await;
        let mut last = project.build(&plan, store).await.unwrap().built.remove(0);
        assert_eq!(last.tags, [day_tag(&last.key, 0)]);

        for (number, (days, left, outcome)) in [
            (0, &last.image.clone(), Outcome::Reused),
            (1, &last.image.clone(), Outcome::Reused),
            (2, &last.image.clone(), Outcome::Built),
            (0, &foreign.image, Outcome::Built),
        ]
        .into_iter()
        .enumerate()
        {
            // The image is the same, and the key is another one.
            let more = format!("  args: {{UNUSED: \"{number}\"}}\n");
            project.processor("one", "FROM scratch\nCOPY unique /unique\n", &more);
            let plan = project.plan(&store.client).await;
            assert_eq!(plan.items[0].why(), Why::FirstBuild);
            let tag = day_tag(&plan.items[0].key, days);
            store.client.move_tag(left, &tag).await.unwrap();
            last = project.build(&plan, store).await.unwrap().built.remove(0);
            assert_eq!(last.decision, outcome, "{number}");
            let stands_for = store.resolve(&left.repository, &tag).await;
            assert_eq!(stands_for.as_ref(), Some(&left.digest), "{number}");
            match outcome {
                Outcome::Reused => assert_eq!((&last.image, last.tags.len()), (left, 0)),
                // Nothing is written over.
                _ => assert_ne!(last.tags, [tag]),
            }
        }
    })
    .await;
}
