//! Registries in their bad moments.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use image_factory::build::{BuildReport, Outcome};
use image_factory::plan::{Decision, Why};
use image_factory::{ErrorClass, FactoryError};
use tokio_util::sync::CancellationToken;

use crate::common::{Project, Store, docker, forget, shell, with_store};
use crate::proxy::{Answer, Asked, Proxy};

/// How often the requests were answered badly.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    /// Whether this one is among the first `bad`.
    fn is_among(&self, bad: usize) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst) < bad
    }

    fn seen(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Two processors with something to push, whose images go through the proxy.
fn project(proxy: &Proxy) -> Project {
    let project = Project::new(&proxy.host);
    let noise: Vec<u8> = std::iter::repeat_with(|| uuid::Uuid::new_v4().into_bytes())
        .take(64 * 1024)
        .flatten()
        .collect();
    std::fs::write(project.root().join("code/noise"), noise).unwrap();
    for name in ["one", "two"] {
        project.processor(name, &shell(&format!("COPY noise /{name}\n")), "");
    }
    project
}

fn is_manifest_push(asked: &Asked) -> bool {
    asked.method == "PUT" && asked.path.contains("/manifests/") && asked.by_builder
}

fn is_upload(asked: &Asked) -> bool {
    asked.method == "PATCH" && asked.by_builder
}

/// Builds through the proxy, and sees to it that the registry has all of it.
async fn builds_in_the_end(project: &Project, store: &Store) -> BuildReport {
    ends_well(project, store, &Outcome::Built).await
}

async fn ends_well(project: &Project, store: &Store, outcome: &Outcome) -> BuildReport {
    let plan = project.plan(&store.client).await;
    let report = project.build(&plan, store).await;
    let host = plan.items[0].repository.host().to_owned();
    forget(&host).await;
    let report = report.unwrap();
    assert_eq!(report.built.len(), 2);
    for built in &report.built {
        assert_eq!(&built.decision, outcome);
        // Without the proxy: what is really there.
        let repository = built.image.repository.with_host(&store.host).unwrap();
        let found = store.resolve(&repository, &built.key.tag()).await;
        assert_eq!(found.as_ref(), Some(&built.image.digest));
        let image = repository.at(built.image.digest.clone());
        assert!(store.client.describe(&image).await.unwrap().compressed_size > 1_000_000);
    }
    report
}

/// How long a registry refuses, counted from the first request, and how often at least: a builder takes
/// its time to come back, and does so four times.
const STORM: (Duration, usize) = (Duration::from_secs(2), 5);

/// Builds while all requests of a kind are asked to come back later.
async fn waits_out(kind: fn(&Asked) -> bool) {
    with_store(async |store| {
        let refused = Count::default();
        let (count, mut begun) = (refused.clone(), None);
        let proxy = Proxy::before(&store.host, move |asked| {
            let storms = kind(asked) && {
                let since = begun.get_or_insert_with(Instant::now).elapsed();
                since < STORM.0 || count.seen() < STORM.1
            };
            match storms && count.is_among(usize::MAX) {
                true => Answer::Say(
                    "429 Too Many Requests",
                    "Content-Type: application/json\r\nRetry-After: 1\r\n",
                    r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#,
                ),
                false => Answer::Pass,
            }
        })
        .await;
        builds_in_the_end(&project(&proxy), store).await;
        assert!(refused.seen() >= STORM.1, "{}", refused.seen());
    })
    .await;
}

#[tokio::test]
async fn a_storm_of_429_is_waited_out() {
    waits_out(is_manifest_push).await;
}

#[tokio::test]
async fn a_storm_of_429_over_look_ups_is_waited_out() {
    waits_out(|asked| asked.method == "HEAD" && !asked.by_builder).await;
}

#[tokio::test]
async fn a_storm_of_429_over_uploads_is_waited_out() {
    waits_out(|asked| {
        asked.by_builder && asked.path.contains("/blobs/uploads/") && asked.method == "POST"
    })
    .await;
}

/// Between our look at the tag and our write, and before our second look.
#[tokio::test]
async fn a_key_that_somebody_takes_at_the_same_moment_is_told() {
    const THEIRS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    with_store(async |store| {
        let mut is_written = false;
        let proxy = Proxy::before(&store.host, move |asked| {
            if asked.by_builder || !asked.path.contains("/manifests/inputs-") {
                return Answer::Pass;
            }
            is_written |= asked.method == "PUT";
            match is_written && asked.method == "HEAD" {
                true => Answer::OtherDigest(THEIRS),
                false => Answer::Pass,
            }
        })
        .await;
        let project = Project::new(&proxy.host);
        project.processor("one", &shell(""), "");
        let plan = project.plan(&store.client).await;
        let ended = project.build(&plan, store).await;
        forget(&proxy.host).await;
        let error = ended.unwrap_err();
        let FactoryError::BuiltMeanwhile { theirs, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(theirs.as_str(), THEIRS);
    })
    .await;
}

/// An index is there, and what it lists is not.
#[tokio::test]
async fn an_image_to_be_reused_that_is_not_whole_is_told() {
    with_store(async |store| {
        let project = Project::new(&store.host);
        project.processor("one", &shell(""), "");
        let plan = project.plan(&store.client).await;
        let built = project.build(&plan, store).await.unwrap().built.remove(0);
        // As for several platforms: an index with one manifest.
        let reference = built.image.repository.tagged("index");
        let image = built.image.to_string();
        docker(&[
            "buildx",
            "imagetools",
            "create",
            "--tag",
            &reference,
            &image,
        ])
        .await;
        let index = store.resolve(&built.image.repository, "index").await;
        let index = built.image.repository.at(index.unwrap());
        store
            .client
            .move_tag(&index, &built.key.tag())
            .await
            .unwrap();

        let part = format!("/manifests/{}", built.image.digest);
        let proxy = Proxy::before(&store.host, move |asked| {
            match asked.path.ends_with(&part) {
                true => Answer::Say("404 Not Found", "", ""),
                false => Answer::Pass,
            }
        })
        .await;
        let mut project = project;
        project.options.registry_host = Some(proxy.host.clone());
        let plan = project.plan(&store.client).await;
        assert!(
            matches!(plan.items[0].decision, Decision::Reuse { .. }),
            "{plan:?}"
        );
        let error = project.build(&plan, store).await.unwrap_err();
        assert!(
            matches!(error, FactoryError::NotInRegistry { .. }),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_html_page_for_an_answer_is_tried_again() {
    with_store(async |store| {
        let count = Count::default();
        let seen = count.clone();
        let proxy = Proxy::before(&store.host, move |asked| {
            match is_manifest_push(asked) && count.is_among(3) {
                true => Answer::Say(
                    "502 Bad Gateway",
                    "Content-Type: text/html\r\n",
                    "<html><body><h1>502 Bad Gateway</h1></body></html>",
                ),
                false => Answer::Pass,
            }
        })
        .await;
        builds_in_the_end(&project(&proxy), store).await;
        // Three pages, and then the manifest of each image.
        assert!(seen.seen() >= 5, "{}", seen.seen());
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_made_again() {
    with_store(async |store| {
        let count = Count::default();
        let seen = count.clone();
        let proxy = Proxy::before(&store.host, move |asked| {
            match is_upload(asked) && count.is_among(2) {
                true => Answer::Cut(100_000),
                false => Answer::Pass,
            }
        })
        .await;
        builds_in_the_end(&project(&proxy), store).await;
        assert!(seen.seen() > 2, "{}", seen.seen());
    })
    .await;
}

#[tokio::test]
async fn a_registry_that_restarts_in_the_middle_is_waited_for() {
    with_store(async |store| {
        let (tell, mut hear) = tokio::sync::mpsc::unbounded_channel();
        let count = Count::default();
        let proxy = Proxy::before(&store.host, move |asked| {
            match is_upload(asked) && count.is_among(1) {
                true => {
                    tell.send(()).unwrap();
                    Answer::Cut(100_000)
                }
                false => Answer::Pass,
            }
        })
        .await;
        let project = project(&proxy);
        let restart = async {
            hear.recv().await.unwrap();
            store.restart(Duration::from_secs(2)).await;
        };
        tokio::join!(builds_in_the_end(&project, store), restart);
    })
    .await;
}

/// Builds one image through a proxy that answers like this when we look for it.
async fn confirmed_with(
    store: &Store,
    answer: fn() -> Answer,
) -> (Result<BuildReport, FactoryError>, Project) {
    let proxy = Proxy::before(&store.host, move |asked| {
        let looks_for_it = asked.method == "HEAD" && asked.path.contains("/manifests/sha256:");
        match looks_for_it && !asked.by_builder {
            true => answer(),
            false => Answer::Pass,
        }
    })
    .await;
    let project = Project::new(&proxy.host);
    project.processor("one", &shell(""), "");
    let plan = project.plan(&store.client).await;
    let ended = project.build(&plan, store).await;
    forget(&proxy.host).await;
    (ended, project)
}

/// What was refused stands for nothing, also for a run after this one.
async fn assert_not_taken(store: &Store, mut project: Project) {
    project.options.registry_host = Some(store.host.clone());
    let plan = project.plan(&store.client).await;
    assert_eq!(plan.items[0].why(), Why::FirstBuild);
    let built = project.build(&plan, store).await.unwrap().built.remove(0);
    assert_eq!(built.decision, Outcome::Built);
}

#[tokio::test]
async fn a_digest_that_the_registry_does_not_have_is_refused() {
    with_store(async |store| {
        let gone = || Answer::Say("404 Not Found", "", "");
        let (ended, project) = confirmed_with(store, gone).await;
        let error = ended.unwrap_err();
        assert!(
            matches!(error, FactoryError::NotInRegistry { .. }),
            "{error}"
        );
        assert_eq!(error.class(), ErrorClass::Build);
        assert_not_taken(store, project).await;
    })
    .await;
}

#[tokio::test]
async fn another_digest_than_the_one_that_was_pushed_is_refused() {
    with_store(async |store| {
        let other = || {
            Answer::OtherDigest(
                "sha256:0000000000000000000000000000000000000000000000000000000000000000",
            )
        };
        let (ended, project) = confirmed_with(store, other).await;
        let error = ended.unwrap_err();
        assert!(
            error.to_string().contains("answered with sha256:00000000"),
            "{error}"
        );
        assert_not_taken(store, project).await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_push_is_told_before_anything_is_built_and_never_tried_again() {
    with_store(async |store| {
        let count = Count::default();
        let seen = count.clone();
        let proxy = Proxy::before(&store.host, move |asked| {
            if !(asked.method == "POST" && asked.path.contains("/blobs/uploads/")) {
                return Answer::Pass;
            }
            count.is_among(0);
            assert!(!asked.by_builder);
            Answer::Say(
                "403 Forbidden",
                "Content-Type: application/json\r\n",
                r#"{"errors":[{"code":"DENIED","message":"permission_denied: write_package"}]}"#,
            )
        })
        .await;
        let project = project(&proxy);
        let plan = project.plan(&store.client).await;
        let error = project.build(&plan, store).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Access);
        assert!(error.hint().is_some());
        let text = error.to_string();
        for item in &plan.items {
            assert!(text.contains(item.repository.as_str()), "{text}");
        }
        assert!(text.contains("write_package"), "{text}");
        assert_eq!(seen.seen(), 2);
    })
    .await;
}

/// A run that is killed after pushing leaves an image that has no tag of its key yet.
#[tokio::test]
async fn a_run_that_is_cut_off_after_pushing_is_taken_up_again() {
    with_store(async |store| {
        let cancel = CancellationToken::new();
        let (stops, count, builder) = (cancel.clone(), Count::default(), Count::default());
        let by_builder = builder.clone();
        let proxy = Proxy::before(&store.host, move |asked| {
            if asked.by_builder {
                by_builder.is_among(0);
            }
            let tags = asked.method == "PUT" && asked.path.contains("/manifests/inputs-");
            match tags && count.is_among(2) {
                true => {
                    stops.cancel();
                    Answer::Cut(0)
                }
                false => Answer::Pass,
            }
        })
        .await;
        let project = project(&proxy);
        let plan = project.plan(&store.client).await;
        let options = image_factory::build::BuildOptions::new(project.root());
        let ended = image_factory::build::build(&plan, &store.client, &options, &cancel).await;
        assert_eq!(ended.unwrap_err().class(), ErrorClass::Cancelled);

        let asked = builder.seen();
        assert!(asked > 0);
        let again = ends_well(&project, store, &Outcome::Reused).await;
        assert_eq!(builder.seen(), asked, "nothing was built");
        let plan = project.plan(&store.client).await;
        for (item, built) in plan.items.iter().zip(&again.built) {
            assert_eq!(built.why, Why::FirstBuild);
            assert_eq!(built.tags, [""; 0]);
            let digest = built.image.digest.clone();
            assert_eq!(item.decision, Decision::Reuse { digest });
        }
    })
    .await;
}

/// What a run has pushed before it is killed is there, also when it was still building.
#[tokio::test]
async fn a_run_that_is_cut_off_between_two_images_builds_only_the_other() {
    with_store(async |store| {
        let cancel = CancellationToken::new();
        let (stops, open) = (cancel.clone(), Arc::new(AtomicBool::new(false)));
        let is_open = Arc::clone(&open);
        let proxy = Proxy::before(&store.host, move |asked| {
            let second = is_manifest_push(asked) && asked.path.contains("/x-two/");
            match second && !is_open.load(Ordering::SeqCst) {
                true => {
                    stops.cancel();
                    Answer::Cut(0)
                }
                false => Answer::Pass,
            }
        })
        .await;
        let project = project(&proxy);
        let plan = project.plan(&store.client).await;
        let mut options = image_factory::build::BuildOptions::new(project.root());
        options.jobs = NonZero::new(1);
        let ended = image_factory::build::build(&plan, &store.client, &options, &cancel).await;
        assert_eq!(ended.unwrap_err().class(), ErrorClass::Cancelled);

        open.store(true, Ordering::SeqCst);
        let plan = project.plan(&store.client).await;
        let report = project.build(&plan, store).await;
        forget(&proxy.host).await;
        let decisions = report.unwrap().built.into_iter().map(|one| one.decision);
        let decisions: Vec<_> = decisions.collect();
        assert_eq!(decisions, [Outcome::Reused, Outcome::Built]);
    })
    .await;
}
