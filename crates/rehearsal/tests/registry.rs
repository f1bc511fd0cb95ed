//! The embedded registry, with the real registry program and the real Docker engine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of a test may stop it"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use oci::{Client, ClientOptions, Credentials, ImageKind, OciError, Tagged};
use process::Command;
use registry_model::{PinnedImage, Repository};
use rehearsal::registry::{EmbeddedRegistry, RegistryError, RegistryOptions};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

async fn start(options: &RegistryOptions) -> EmbeddedRegistry {
    EmbeddedRegistry::start(options, &CancellationToken::new())
        .await
        .unwrap_or_else(|error| panic!("{error}\nhint: {:?}", error.hint()))
}

fn client() -> Client {
    Client::new(ClientOptions {
        credentials: Credentials::Anonymous,
        ..ClientOptions::default()
    })
    .unwrap()
}

async fn run(command: Command) -> String {
    let output = command
        .timeout(Duration::from_secs(120))
        .run(&CancellationToken::new())
        .await;
    output
        .unwrap_or_else(|error| panic!("{error}"))
        .stdout_text()
        .trim()
        .to_owned()
}

async fn docker<const N: usize>(args: [&str; N]) -> String {
    run(Command::new("docker").args(args)).await
}

/// Waits until `probe` holds; the registry ends and logs a moment after we ask.
async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !probe().await {
        assert!(Instant::now() < limit, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A file system with one program that needs nothing else, as a tar archive.
async fn file_system(folder: &Path) -> Vec<u8> {
    let busybox = process::which("busybox").expect("apt-get install busybox-static");
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::copy(busybox, bin.join("busybox")).unwrap();
    let tar = Command::new("tar")
        .arg("-C")
        .arg(folder)
        .args(["-c", "bin"]);
    tar.run(&CancellationToken::new()).await.unwrap().stdout
}

/// Imports a small image under `name`.
async fn import(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let tar = file_system(folder.path()).await;
    run(Command::new("docker")
        .args(["import", "-", name])
        .stdin(tar))
    .await;
}

/// Runs `body` and then removes every image whose repository is on `host`, whatever came of it.
async fn then_clean(host: &str, body: impl Future<Output = ()> + 'static) {
    let tasks = LocalSet::new();
    let task = tasks.spawn_local(body);
    let ended = tasks.run_until(task).await;
    // Names of ours, not ids: another name may stand for the same image.
    let filter = format!("reference={host}/*/*");
    let format = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}";
    let list = [
        "image",
        "ls",
        "--digests",
        "--filter",
        &filter,
        "--format",
        format,
    ];
    for line in docker(list).await.lines() {
        let (repository, rest) = line.split_once('\t').unwrap();
        let name = match rest.split_once('\t').unwrap() {
            ("<none>", digest) => format!("{repository}@{digest}"),
            (tag, _) => format!("{repository}:{tag}"),
        };
        // The last tag takes the digests of its repository along.
        let remove = Command::new("docker").args(["image", "rm", &name]);
        let _ = remove.run(&CancellationToken::new()).await;
    }
    let left = docker(list).await;
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
    assert_eq!(left, "");
}

#[tokio::test]
async fn answers_until_it_is_stopped() {
    let registry = start(&RegistryOptions::default()).await;
    let (host, folder) = (registry.host(), registry.folder().to_path_buf());
    let repository: Repository = format!("{host}/test/none").parse().unwrap();
    assert_eq!(client().resolve(&repository, "v1").await.unwrap(), None);
    assert!(folder.join("config.yml").is_file());

    registry.stop().await.unwrap();
    assert!(TcpStream::connect(&host).await.is_err());
    assert!(!folder.exists());
}

#[tokio::test]
async fn nothing_is_left_when_it_is_dropped() {
    let registry = start(&RegistryOptions::default()).await;
    let (host, folder) = (registry.host(), registry.folder().to_path_buf());
    drop(registry);
    eventually("the port is free", async || {
        TcpStream::connect(&host).await.is_err()
    })
    .await;
    assert!(!folder.exists());
}

#[tokio::test]
async fn several_run_side_by_side() {
    let options = RegistryOptions::default();
    let (a, b, c) = tokio::join!(start(&options), start(&options), start(&options));
    let hosts = [a.host(), b.host(), c.host()];
    assert!(hosts[0] != hosts[1] && hosts[1] != hosts[2] && hosts[0] != hosts[2]);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let options = RegistryOptions {
        port: Some(port),
        ..RegistryOptions::default()
    };
    let error = EmbeddedRegistry::start(&options, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::PortTaken { port: named } if named == port),
        "{error}"
    );
}

#[tokio::test]
async fn another_registry_on_the_port_is_not_taken_for_ours() {
    let first = start(&RegistryOptions::default()).await;
    let port = first.host().split_once(':').unwrap().1.parse().unwrap();
    let options = RegistryOptions {
        port: Some(port),
        ..RegistryOptions::default()
    };
    let error = EmbeddedRegistry::start(&options, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::PortTaken { .. }), "{error}");
}

#[tokio::test]
async fn a_cancelled_start_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let options = RegistryOptions {
        folder: Some(folder.path().join("kept")),
        port: None,
    };
    let error = EmbeddedRegistry::start(&options, &cancel)
        .await
        .unwrap_err();
    assert!(error.is_cancelled(), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = RegistryOptions {
        folder: Some(file.path().to_path_buf()),
        port: None,
    };
    let error = EmbeddedRegistry::start(&options, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Folder { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(&file.path().display().to_string())
    );
}

#[tokio::test]
async fn the_engine_pushes_and_pulls_and_the_client_sees_the_same() {
    let registry = start(&RegistryOptions::default()).await;
    let host = registry.host();
    then_clean(&host, push_ask_and_pull(registry)).await;
}

async fn push_ask_and_pull(registry: EmbeddedRegistry) {
    let repository: Repository = format!("{}/test/hello", registry.host()).parse().unwrap();
    let name = repository.tagged("v1");
    import(&name).await;
    docker(["push", "--quiet", &name]).await;
    let format = "{{index .RepoDigests 0}}";
    let pushed: PinnedImage = docker(["image", "inspect", "--format", format, &name])
        .await
        .parse()
        .unwrap();

    let client = client();
    let found = client.resolve(&repository, "v1").await.unwrap();
    assert_eq!(found.as_ref(), Some(&pushed.digest));

    let info = client.describe(&pushed).await.unwrap();
    assert_eq!(info.kind, ImageKind::Manifest);
    let platforms: Vec<_> = info.platforms.iter().map(ToString::to_string).collect();
    let machine = docker(["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"]).await;
    assert_eq!(platforms, [machine]);
    assert!(
        (100_000..10_000_000).contains(&info.compressed_size),
        "{info:?}"
    );

    // The id of the image is the digest of its config, which many mistake for its digest.
    let id = docker(["image", "inspect", "--format", "{{.Id}}", &name]).await;
    let config = repository.at(id.parse().unwrap());
    assert!(!client.exists(&config).await.unwrap());
    let error = client.describe(&config).await.unwrap_err();
    assert!(matches!(error, OciError::NotAnImage { .. }), "{error}");

    assert_eq!(
        client.tag(&pushed, "inputs-1").await.unwrap(),
        Tagged::Written
    );
    assert_eq!(
        client.tag(&pushed, "inputs-1").await.unwrap(),
        Tagged::Unchanged
    );
    let tagged = client.resolve(&repository, "inputs-1").await.unwrap();
    assert_eq!(tagged.as_ref(), Some(&pushed.digest));

    one_head_for_one_question(&registry, &client, &pushed).await;

    docker(["image", "rm", "--force", &name]).await;
    let image = pushed.to_string();
    docker(["pull", "--quiet", &image]).await;
    let said = docker([
        "run",
        "--rm",
        "--network",
        "none",
        &image,
        "/bin/busybox",
        "echo",
        "hello",
    ])
    .await;
    assert_eq!(said, "hello");
    registry.stop().await.unwrap();
}

async fn one_head_for_one_question(
    registry: &EmbeddedRegistry,
    client: &Client,
    image: &PinnedImage,
) {
    let lines = || {
        let log = std::fs::read_to_string(registry.access_log()).unwrap();
        log.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // A question that the log shows, so that all earlier lines are in.
    let marker: Repository = format!("{}/test/marker", registry.host()).parse().unwrap();
    client.resolve(&marker, "before").await.unwrap();
    eventually("the marker is logged", async || {
        lines()
            .iter()
            .any(|line| line.contains("test/marker/manifests/before"))
    })
    .await;
    let before = lines().len();

    assert!(client.exists(image).await.unwrap());
    client.resolve(&marker, "after").await.unwrap();
    eventually("the marker is logged", async || {
        lines()
            .iter()
            .any(|line| line.contains("test/marker/manifests/after"))
    })
    .await;
    let asked = &lines()[before..];
    let head = format!(
        "\"HEAD /v2/{}/manifests/{} HTTP/1.1\" 200",
        image.repository.path(),
        image.digest
    );
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].contains(&head), "{asked:?}");
}

#[tokio::test]
async fn a_given_folder_keeps_its_images() {
    let folder = tempfile::tempdir().unwrap();
    let options = RegistryOptions {
        folder: Some(folder.path().to_path_buf()),
        port: None,
    };
    let registry = start(&options).await;
    let host = registry.host();
    then_clean(&host, async move {
        let repository: Repository = format!("{}/test/kept", registry.host()).parse().unwrap();
        let name = repository.tagged("v1");
        import(&name).await;
        docker(["push", "--quiet", &name]).await;
        let client = client();
        let digest = client.resolve(&repository, "v1").await.unwrap().unwrap();
        registry.stop().await.unwrap();

        let again = start(&options).await;
        let moved = repository.with_host(&again.host()).unwrap().at(digest);
        assert!(client.exists(&moved).await.unwrap());
        again.stop().await.unwrap();
        assert!(options.folder.unwrap().join("data").is_dir());
    })
    .await;
}
