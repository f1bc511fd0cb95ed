//! What only an engine with containerd's image store can do, on one that is started for this.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use image_factory::FactoryError;
use image_factory::build::{Engine, Outcome, preflight};
use image_factory::plan::{ImageSettings, InputChange, Provenance, Sbom, Why};
use oci::ImageKind;
use process::{Command, Service};
use registry_model::PinnedImage;
use tokio_util::sync::CancellationToken;

use crate::common::{Project, Store, docker, shell, with_store};

/// The folder of the second engine, for the process that starts it.
const INSIDE: &str = "IMAGE_FACTORY_TEST_CONTAINERD";

/// A Docker engine of its own. It makes the bridge `docker0` anew, so it must not see
/// that of the engine that is there: it lives in a network namespace of its own.
struct Second {
    service: Service,
}

impl Second {
    async fn start(folder: &Path) -> Self {
        let dockerd = dockerd();
        let inside = |name: &str| folder.join(name);
        let config = r#"{"features": {"containerd-snapshotter": true}}"#;
        std::fs::write(inside("daemon.json"), config).unwrap();
        let path = std::env::var("PATH").unwrap();
        let beside = dockerd.parent().unwrap().display();
        let mut service = Command::new(&dockerd)
            .env("PATH", format!("{beside}:{path}:/usr/sbin:/sbin"))
            .arg("--config-file")
            .arg(inside("daemon.json"))
            .arg("--data-root")
            .arg(inside("data"))
            .arg("--exec-root")
            .arg(inside("exec"))
            .arg("--pidfile")
            .arg(inside("pid"))
            .arg(format!("--host={}", address(folder)))
            .args([
                "--ip-forward=false",
                "--iptables=false",
                "--ip6tables=false",
            ])
            .start()
            .unwrap();
        for _ in 0..300 {
            if std::os::unix::net::UnixStream::connect(inside("docker.sock")).is_ok() {
                return Self { service };
            }
            assert_eq!(
                service.ended(),
                None,
                "dockerd did not start; it needs root"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("dockerd does not answer");
    }

    async fn stop(self) {
        self.service.stop(Duration::from_secs(20)).await;
    }
}

fn address(folder: &Path) -> String {
    format!("unix://{}", folder.join("docker.sock").display())
}

/// The engine that runs the other tests is of the same program.
fn dockerd() -> PathBuf {
    let tools = std::env::var_os("PIPELINE_TOOLS").unwrap_or_default();
    let own = Path::new(&tools).join("engine/dockerd");
    [own, "dockerd".into(), "/usr/sbin/dockerd".into()]
        .into_iter()
        .find_map(process::which)
        .expect("this test needs dockerd: `cargo xtask setup`, or apt-get install docker.io")
}

/// One test, as the engine takes seconds to start. Only a new process can have another
/// `DOCKER_HOST` and a network of its own: the engine, the registries and the parts are in one.
#[tokio::test]
async fn the_store_of_containerd_can_do_more() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        let engine = Second::start(Path::new(&folder)).await;
        let ended = AssertUnwindSafe(parts()).catch_unwind().await;
        engine.stop().await;
        return ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
    let folder = tempfile::Builder::new()
        .prefix("engine-")
        .tempdir()
        .unwrap();
    let ended = Command::new("unshare")
        .args(["--net", "/bin/busybox", "sh", "-c"])
        .arg("/bin/busybox ip link set lo up && exec \"$0\" \"$@\"")
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "containerd::the_store_of_containerd_can_do_more",
            "--nocapture",
        ])
        .env("DOCKER_HOST", address(folder.path()))
        .env(INSIDE, folder.path())
        .run(&CancellationToken::new())
        .await;
    folder.close().unwrap();
    let output = ended.expect("this test starts an engine, which needs root and util-linux");
    assert!(output.stdout_text().contains("1 passed"), "{output:?}");
}

async fn parts() {
    let engine: Engine = preflight(None, &CancellationToken::new()).await.unwrap();
    assert!(engine.is_docker() && engine.containerd_store, "{engine:?}");
    with_store(two_checkouts_make_one_digest).await;
    with_store(files_older_than_the_epoch_are_refused).await;
    with_store(several_platforms_are_one_index).await;
    with_store(attestations_go_with_the_image).await;
    with_store(an_sbom_comes_from_the_image_that_is_named).await;
    with_store(settings_that_change_reach_images_that_are_there).await;
    with_store(annotations_are_in_the_manifests).await;
    with_store(steps_come_from_the_caches_of_others).await;
}

/// A checkout whose files have this age, in seconds since 1970.
fn checkout(store: &Store, time: u64) -> Project {
    let mut project = Project::new(&store.host);
    project.options.rebuild = true;
    project.write("code/unique", "in all checkouts the same");
    project.processor(
        "one",
        &shell("COPY files /files\nRUN --network=none echo made > /made\n"),
        "",
    );
    for file in ["code/files/a", "code/files/deep/b"] {
        project.write(file, file);
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
    for entry in [
        "unique",
        "bin/busybox",
        "bin",
        "files/a",
        "files/deep/b",
        "files/deep",
        "files",
    ] {
        let file = std::fs::File::open(project.root().join("code").join(entry)).unwrap();
        file.set_modified(time).unwrap();
    }
    project
}

async fn image(project: &Project, store: &Store) -> PinnedImage {
    let plan = project.plan(&store.client).await;
    let report = project.build(&plan, store).await;
    report.unwrap().built.remove(0).image
}

async fn two_checkouts_make_one_digest(store: &Store) {
    let mut first = checkout(store, 1_500_000_000);
    let mut second = checkout(store, 1_700_000_000);
    // As a control: without it, they are two.
    let digests = (image(&first, store).await, image(&second, store).await);
    assert_ne!(digests.0, digests.1);
    first.options.settings.source_date_epoch = Some(1_400_000_000);
    second.options.settings.source_date_epoch = Some(1_400_000_000);
    let digests = (image(&first, store).await, image(&second, store).await);
    assert_eq!(digests.0, digests.1);
    let configs = store.client.configs(&digests.0).await.unwrap();
    assert_eq!(configs[0].created.unwrap().as_second(), 1_400_000_000);
}

async fn files_older_than_the_epoch_are_refused(store: &Store) {
    let mut project = checkout(store, 1_500_000_000);
    project.options.settings.source_date_epoch = Some(1_600_000_000);
    let plan = project.plan(&store.client).await;
    let error = project.build(&plan, store).await.unwrap_err();
    let FactoryError::OlderThanEpoch { file, .. } = &error else {
        panic!("{error}")
    };
    assert!(file.starts_with("code"), "{error}");
}

async fn several_platforms_are_one_index(store: &Store) {
    let mut project = Project::new(&store.host);
    project.processor("one", &shell(""), "");
    let arm = "linux/arm64".parse().unwrap();
    project.options.platforms.push(arm);
    let image = image(&project, store).await;
    let info = store.client.describe(&image).await.unwrap();
    assert_eq!(info.kind, ImageKind::Index);
    assert_eq!(info.platforms, project.options.platforms);
}

async fn attestations_go_with_the_image(store: &Store) {
    let mut project = Project::new(&store.host);
    project.processor("one", &shell(""), "");
    project.options.settings.provenance = Some(Provenance::Max);
    let first = project.plan(&store.client).await;
    let first = project.build(&first, store).await.unwrap();
    let image = &first.built[0].image;
    let info = store.client.describe(image).await.unwrap();
    assert_eq!((info.kind, info.platforms.len()), (ImageKind::Index, 1));
    assert!(raw(image).await.contains("attestation-manifest"));

    // The same image with another provenance is no reason for another pin.
    project.pin(&first);
    let file = crate::common::file_of("one");
    let text = project.read(&file);
    project.write(&file, &format!("{text}  args: {{UNUSED: \"1\"}}\n"));
    let again = project.plan(&store.client).await;
    let again = project.build(&again, store).await.unwrap();
    assert!(
        matches!(again.built[0].decision, Outcome::Kept(_)),
        "{again:?}"
    );
    assert_eq!(&again.built[0].image, image);
}

/// Makes an image that writes an SBOM which names `tool`, and lets the tag stand for it.
async fn scanner(store: &Store, tool: &str) -> String {
    let project = Project::new(&store.host);
    let statement = format!(
        r#"{{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
            "subject": [], "predicate": {{"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0",
            "SPDXID": "SPDXRef-DOCUMENT", "name": "{tool}", "documentNamespace": "https://example.com/{tool}",
            "creationInfo": {{"creators": ["Tool: {tool}"], "created": "2020-01-01T00:00:00Z"}}}}}}"#
    );
    project.write("code/statement", &statement);
    let script = "COPY bin/busybox /bin/cp\nCOPY statement /statement\n\
                  CMD [\"/bin/sh\", \"-c\", \"cp /statement $BUILDKIT_SCAN_DESTINATION/sbom.spdx.json\"]\n";
    project.processor("scanner", &shell(script), "");
    let image = image(&project, store).await;
    store.client.move_tag(&image, "stable").await.unwrap();
    image.repository.tagged("stable")
}

async fn an_sbom_comes_from_the_image_that_is_named(store: &Store) {
    let mut project = Project::new(&store.host);
    project.processor("one", &shell(""), "");
    project.options.settings.sbom = Sbom::By(format!("{}/none/such:1", store.host));
    let error = project.try_plan(&store.client).await.unwrap_err();
    assert!(
        matches!(error, FactoryError::NoSbomGenerator { .. }),
        "{error}"
    );

    let generator = scanner(store, "first").await;
    project.options.settings.sbom = Sbom::By(generator.clone());
    let plan = project.plan(&store.client).await;
    let first = project.build(&plan, store).await.unwrap();
    let one = &first.built[0].image;
    assert_eq!(sbom_maker(store, one).await, "Tool: first");
    let info = store.client.describe(one).await.unwrap();
    assert_eq!((info.kind, info.platforms.len()), (ImageKind::Index, 1));
    // What is pinned is the index, by which the list is found.
    project.pin(&first);
    let file = project.read(&crate::common::file_of("one"));
    assert!(file.contains(&one.digest.to_string()), "{file}");
    let same = project.plan(&store.client).await;
    assert_eq!(same.to_build().count(), 0);

    // The name stands for another image now: that is a reason, and it is told.
    assert_eq!(scanner(store, "second").await, generator);
    let plan = project.plan(&store.client).await;
    let Why::Changed { changes, .. } = plan.items[0].why() else {
        panic!("{plan:?}")
    };
    let [InputChange::Base { name, .. }] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(name, &format!("{generator} (SBOM generator)"));
    let second = project.build(&plan, store).await.unwrap();
    assert_eq!(second.built[0].decision, Outcome::Built);
    assert_eq!(
        sbom_maker(store, &second.built[0].image).await,
        "Tool: second"
    );
}

/// What made the SBOM that goes with an image: its index leads to the manifest, and that to the list.
async fn sbom_maker(store: &Store, image: &PinnedImage) -> String {
    let json = async |image: &PinnedImage| -> serde_json::Value {
        serde_json::from_str(&raw(image).await).unwrap()
    };
    let index = json(image).await;
    let all = index["manifests"].as_array().unwrap();
    assert_eq!(all.len(), 2, "{index}");
    let note = |one: &serde_json::Value, name: &str| one["annotations"][name].clone();
    let attested = all
        .iter()
        .find(|one| note(one, "vnd.docker.reference.type") == "attestation-manifest")
        .unwrap();
    assert_eq!(
        note(attested, "vnd.docker.reference.digest"),
        all[0]["digest"]
    );
    let digest = attested["digest"].as_str().unwrap().parse().unwrap();
    let attested = image.repository.at(digest);
    let manifest = json(&attested).await;
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1, "{manifest}");
    let predicate = &layers[0]["annotations"]["in-toto.io/predicate-type"];
    assert_eq!(predicate, "https://spdx.dev/Document");
    let content = store.client.artifact(&attested).await.unwrap();
    let list: serde_json::Value = serde_json::from_slice(&content).unwrap();
    assert_eq!(
        list["subject"][0]["digest"]["sha256"],
        all[0]["digest"].as_str().unwrap()[7..]
    );
    let creators = &list["predicate"]["creationInfo"]["creators"];
    creators[0].as_str().unwrap().to_owned()
}

/// An image that differs in nothing but what was switched on is another one.
async fn settings_that_change_reach_images_that_are_there(store: &Store) {
    let mut project = Project::new(&store.host);
    project.processor("one", &shell("RUN --network=none echo made > /made\n"), "");
    let plain = project.plan(&store.client).await;
    project.pin(&project.build(&plain, store).await.unwrap());
    let switches: [fn(&mut ImageSettings); 4] = [
        |settings| settings.provenance = Some(Provenance::Min),
        |settings| drop(settings.annotations.insert("team".into(), "ml".into())),
        |settings| settings.source_date_epoch = Some(1_000_000_000),
        |settings| *settings = ImageSettings::default(),
    ];
    for (index, switch) in switches.into_iter().enumerate() {
        switch(&mut project.options.settings);
        // The way back would lead to what is there.
        project.options.rebuild = index == 3;
        let plan = project.plan(&store.client).await;
        let report = project.build(&plan, store).await.unwrap();
        assert_eq!(report.built[0].decision, Outcome::Built, "{index}");
        assert_ne!(Some(&report.built[0].image), plan.items[0].pinned.as_ref());
        project.pin(&report);
        let text = raw(&report.built[0].image).await;
        assert_eq!(text.contains("attestation-manifest"), index < 3, "{index}");
    }
    // With settings that stay, the pin stays, too.
    let plan = project.plan(&store.client).await;
    let kept = project.build(&plan, store).await.unwrap();
    assert!(matches!(kept.built[0].decision, Outcome::Kept(_)));
}

async fn annotations_are_in_the_manifests(store: &Store) {
    let mut project = Project::new(&store.host);
    project.processor("one", &shell(""), "");
    let annotations = &mut project.options.settings.annotations;
    annotations.insert("team".to_owned(), "ml, ${HOME}=x".to_owned());
    let written = r#""team": "ml, ${HOME}=x""#;
    let single = image(&project, store).await;
    assert!(raw(&single).await.contains(written));
    let arm = "linux/arm64".parse().unwrap();
    project.options.platforms.push(arm);
    let index = image(&project, store).await;
    let text = raw(&index).await;
    assert!(
        text.contains("manifests") && text.contains(written),
        "{text}"
    );
}

async fn raw(image: &PinnedImage) -> String {
    docker(&[
        "buildx",
        "imagetools",
        "inspect",
        "--raw",
        &image.to_string(),
    ])
    .await
}

async fn steps_come_from_the_caches_of_others(store: &Store) {
    let mut project = Project::new(&store.host);
    // Each run of this step makes other bits.
    let random = "RUN --network=none read id < /proc/sys/kernel/random/uuid && echo $id > /id\n";
    project.processor("one", &shell(random), "");
    let caches = [
        (
            format!("type=registry,ref={}/cache:main,mode=max", store.host),
            format!("{}/cache:main", store.host),
        ),
        (
            "type=local,dest=.cache".to_owned(),
            "type=local,src=.cache".to_owned(),
        ),
    ];
    for (index, (to, from)) in caches.into_iter().enumerate() {
        let mut build = async |place: &str, to: Option<&str>, from: Option<&str>| {
            docker(&["builder", "prune", "--all", "--force"]).await;
            // Elsewhere nothing is there to be reused.
            project.options.image_prefix = Some(format!("ghcr.io/{place}/{index}"));
            let plan = project.plan(&store.client).await;
            let report = project.build_with(&plan, store, |options| {
                options.cache_to = to.iter().map(|to| to.parse().unwrap()).collect();
                options.cache_from = from.iter().map(|from| from.parse().unwrap()).collect();
            });
            report.await.unwrap().built.remove(0).image.digest
        };
        let first = build("first", Some(&to), None).await;
        let without = build("without", None, None).await;
        assert_ne!(first, without);
        let with = build("with", None, Some(&from)).await;
        assert_eq!(first, with);
    }
}
