use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use oci::{Likeness, OciError};
use registry_model::PinnedImage;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::real::{LAYER, Real, with_registry};
use crate::script::{CONFIG, MANIFEST, Reply, Server, anonymous, digest, reply};

/// One file of a layer.
#[derive(Clone)]
struct Put {
    path: &'static str,
    content: Vec<u8>,
    kind: EntryType,
    mode: u32,
    owner: u64,
    time: u64,
    target: Option<&'static str>,
    pax: Vec<(&'static str, Vec<u8>)>,
}

fn put(path: &'static str, content: impl Into<Vec<u8>>) -> Put {
    Put {
        path,
        content: content.into(),
        kind: EntryType::Regular,
        mode: 0o644,
        owner: 0,
        time: 1_700_000_000,
        target: None,
        pax: Vec::new(),
    }
}

fn archive(files: &[Put]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for file in files {
        if !file.pax.is_empty() {
            let records = file
                .pax
                .iter()
                .map(|(name, value)| (*name, value.as_slice()));
            builder.append_pax_extensions(records).unwrap();
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(file.kind);
        header.set_mode(file.mode);
        header.set_uid(file.owner);
        header.set_gid(0);
        header.set_mtime(file.time);
        header.set_size(file.content.len() as u64);
        if let Some(target) = file.target {
            header.set_link_name(target).unwrap();
        }
        builder
            .append_data(&mut header, file.path, file.content.as_slice())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    compress_to_vec(content, CompressionLevel::Fastest)
}

fn config(archives: &[&[u8]], created: &str) -> Value {
    let ids: Vec<String> = archives.iter().map(|it| digest(it).to_string()).collect();
    let steps: Vec<Value> = (0..archives.len())
        .map(
            |step| json!({ "created": created, "created_by": format!("COPY {step} . # buildkit") }),
        )
        .collect();
    json!({
        "os": "linux", "architecture": "amd64", "created": created,
        "config": { "Env": ["A=1"], "Labels": { "org.opencontainers.image.revision": created } },
        "rootfs": { "type": "layers", "diff_ids": ids },
        "history": steps,
    })
}

fn files() -> Vec<Put> {
    let mut link = put("app/link", "");
    (link.kind, link.target) = (EntryType::Symlink, Some("main.py"));
    let mut tool = put("app/tool", "x".repeat(200_000));
    tool.pax = vec![
        ("mtime", b"1700000000.5".to_vec()),
        (
            "SCHILY.xattr.security.capability",
            b"\x01\n=\n\x00".to_vec(),
        ),
    ];
    vec![
        put("app/main.py", "print(1)"),
        link,
        tool,
        put("etc/app.conf", "debug = no"),
    ]
}

fn later(files: &[Put]) -> Vec<Put> {
    let mut files = files.to_vec();
    for file in &mut files {
        file.time += 1000;
        for (name, value) in &mut file.pax {
            if *name == "mtime" {
                *value = b"1700001000.25".to_vec();
            }
        }
    }
    files
}

async fn single(real: &Real, files: &[Put], created: &str) -> PinnedImage {
    let archive = archive(files);
    real.image(&config(&[&archive], created), &[gzip(&archive)])
        .await
}

/// What differs between an image and the same with another layer.
async fn difference(real: &Real, change: impl FnOnce(&mut Vec<Put>)) -> String {
    let mut changed = later(&files());
    change(&mut changed);
    let old = single(real, &files(), "2026-01-01T00:00:00Z").await;
    let new = single(real, &changed, "2026-01-02T00:00:00Z").await;
    match real.client.compare(&old, &new).await.unwrap() {
        Likeness::Different { what } => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_times_differ() {
    with_registry(async |real| {
        let old = single(real, &files(), "2026-01-01T00:00:00Z").await;
        let compare = async |new: &PinnedImage| {
            let client = real.client.clone();
            let (old, new) = (old.clone(), new.clone());
            // As a task: callers need that.
            let task = tokio::spawn(async move { client.compare(&old, &new).await });
            task.await.unwrap().unwrap()
        };
        assert_eq!(compare(&old).await, Likeness::Identical);
        // The config alone.
        let new = single(real, &files(), "2026-01-02T00:00:00Z").await;
        assert_eq!(compare(&new).await, Likeness::OnlyTimestamps);
        // The files too; packed in each way.
        let archive = archive(&later(&files()));
        for packed in [gzip(&archive), zstd(&archive), archive.clone()] {
            let config = config(&[&archive], "2026-01-02T00:00:00Z");
            let new = real.image(&config, &[packed]).await;
            assert_ne!(new, old);
            assert_eq!(compare(&new).await, Likeness::OnlyTimestamps);
        }
    })
    .await;
}

#[tokio::test]
async fn the_first_file_that_differs_is_named() {
    type Change = fn(&mut Vec<Put>);
    let changes: [(Change, &str); 13] = [
        (
            |it| it[0].content = b"print(2)".to_vec(),
            "app/main.py has other content",
        ),
        (
            |it| it[0].content.push(b'\n'),
            "app/main.py has another size",
        ),
        (|it| it[0].mode = 0o755, "app/main.py has another mode"),
        (|it| it[0].owner = 7, "app/main.py has another owner"),
        (
            |it| it[0].kind = EntryType::Char,
            "app/main.py has another kind",
        ),
        (
            |it| it[1].target = Some("other.py"),
            "app/link has another link target",
        ),
        (
            |it| it[2].pax[1].1 = b"\x02\n=\n\x00".to_vec(),
            "app/tool has extended attributes",
        ),
        (
            |it| it[2].pax.truncate(1),
            "app/tool has extended attributes",
        ),
        (
            |it| *it[2].content.last_mut().unwrap() = b'y',
            "app/tool has other content",
        ),
        (
            |it| it[0].path = "app/mean.py",
            "app/mean.py comes where app/main.py was",
        ),
        (|it| it.truncate(3), "etc/app.conf is gone"),
        (|it| it.push(put("etc/new", "")), "etc/new is new"),
        (
            |it| it[3].pax.push(("path", b"etc/\x1b[31mred".to_vec())),
            "etc/[31mred comes where etc/app.conf was",
        ),
    ];
    with_registry(async |real| {
        for (change, expected) in changes {
            let expected = format!("linux/amd64: in the layer of `COPY 0 .`, {expected}");
            assert_eq!(difference(real, change).await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn what_tells_without_the_layers_goes_first() {
    let archives = [archive(&files()), archive(&later(&files()))];
    let one: &[&[u8]] = &[&archives[0]];
    let two: &[&[u8]] = &[&archives[0], &archives[1]];
    // Not there at all: they must not be asked for.
    let layer = |name: &str, size: usize| json!({ "mediaType": LAYER, "digest": digest(name).as_str(), "size": size });
    let cases = [
        (
            vec![layer("a", 10)],
            vec![layer("a", 10), layer("b", 10)],
            [config(one, "x"), config(two, "x")],
            "1 instructions → 2",
        ),
        (
            vec![layer("a", 10)],
            vec![layer("b", 10)],
            [config(one, "x"), {
                let mut config = config(one, "x");
                config["config"]["Env"] = json!(["A=2"]);
                config
            }],
            "`Env` in the config",
        ),
        (
            vec![layer("a", 1_000_000)],
            vec![layer("b", 2_000_000)],
            [config(one, "x"), config(&[&archives[1]], "x")],
            "the layer of `COPY 0 .` has 1000000 bytes → 2000000",
        ),
        (
            vec![layer("a", 300 << 20)],
            vec![layer("b", 300 << 20)],
            [config(one, "x"), config(&[&archives[1]], "x")],
            "the layer of `COPY 0 .` is too large to compare",
        ),
    ];
    for (old, new, configs, expected) in cases {
        let mut replies = Vec::new();
        let mut images = Vec::new();
        for (layers, config) in [old, new].into_iter().zip(configs) {
            let config = config.to_string();
            let manifest = json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
                "config": { "mediaType": CONFIG, "digest": digest(&config).as_str(), "size": 9 },
            })
            .to_string();
            let content = reply(200)
                .header("content-type", MANIFEST)
                .body(manifest.clone());
            replies.push(content.to(digest(&manifest).to_string()));
            // Once for the platform, once for the rest.
            let content = reply(200)
                .body(config.clone())
                .to(digest(&config).to_string());
            replies.extend([content.clone(), content]);
            images.push(manifest);
        }
        let server = Server::start(|_| replies).await;
        let (old, new) = (server.image(&images[0]), server.image(&images[1]));
        let found = anonymous().compare(&old, &new).await.unwrap();
        let what = format!("linux/amd64: {expected}");
        assert_eq!(found, Likeness::Different { what });
        server.seen();
    }
}

#[tokio::test]
async fn an_index_is_compared_platform_by_platform() {
    with_registry(async |real| {
        let amd64 = single(real, &files(), "2026-01-01T00:00:00Z").await;
        let newer = single(real, &later(&files()), "2026-01-02T00:00:00Z").await;
        let mut other_config = config(&[], "2026-01-01T00:00:00Z");
        other_config["architecture"] = json!("arm64");
        let arm64 = real.image(&other_config, &[]).await;
        let attestation = real.small_image().await;
        let both = async |amd64: &PinnedImage, note: &str| {
            real.index(&[(amd64, "linux/amd64"), (&arm64, "linux/arm64")], note)
                .await
        };
        let attested = [(&amd64, "linux/amd64"), (&attestation, "unknown/unknown")];
        let attested = real.index(&attested, "a").await;
        let alone = real.index(&[(&amd64, "linux/amd64")], "b").await;
        let (first, second) = (both(&amd64, "a").await, both(&amd64, "b").await);
        let third = both(&newer, "a").await;
        let cases = [
            (&first, &second, Likeness::OnlyAttestations),
            (&alone, &attested, Likeness::OnlyAttestations),
            (&amd64, &attested, Likeness::OnlyAttestations),
            (&attested, &amd64, Likeness::OnlyAttestations),
            (&newer, &attested, Likeness::OnlyTimestamps),
            (&first, &third, Likeness::OnlyTimestamps),
            (
                &alone,
                &first,
                Likeness::Different {
                    what: "the platforms: linux/amd64 → linux/amd64, linux/arm64".to_owned(),
                },
            ),
        ];
        for (old, new, expected) in cases {
            assert_eq!(real.client.compare(old, new).await.unwrap(), expected);
        }
        let children = real.client.children(&attested).await.unwrap();
        assert_eq!(children, [amd64.clone(), attestation]);
        assert_eq!(real.client.children(&amd64).await.unwrap(), []);
        let missing = real.repository.at(digest("missing"));
        for error in [
            real.client.compare(&amd64, &missing).await.unwrap_err(),
            real.client.children(&missing).await.unwrap_err(),
        ] {
            assert!(matches!(error, OciError::NotFound { .. }), "{error:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn configs_are_read_for_each_platform() {
    with_registry(async |real| {
        let mut amd64 = config(&[], "2026-01-01T00:00:00.5Z");
        amd64["config"]["OnBuild"] = json!(["COPY . /app", "RUN make"]);
        let arm64 = json!({ "os": "linux", "architecture": "arm64", "created": "soon",
            "config": { "Labels": null, "OnBuild": null } });
        let (amd64, arm64) = (real.image(&amd64, &[]).await, real.image(&arm64, &[]).await);
        let index = [(&amd64, "linux/amd64"), (&arm64, "linux/arm64")];
        let index = real.index(&index, "a").await;
        let found = real.client.configs(&index).await.unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].platform.to_string(), "linux/amd64");
        assert_eq!(
            found[0].created,
            Some("2026-01-01T00:00:00.5Z".parse().unwrap())
        );
        assert_eq!(found[0].on_build, ["COPY . /app", "RUN make"]);
        assert_eq!(found[0].labels.len(), 1);
        assert_eq!(found[1].platform.to_string(), "linux/arm64");
        assert_eq!((found[1].created, found[1].on_build.len()), (None, 0));
        assert_eq!(real.client.configs(&amd64).await.unwrap()[0], found[0]);
        for (platform, expected) in [
            ("linux/arm64", &found[1..]),
            ("linux/amd64/v2", &found[..1]),
            ("linux/s390x", &found[..]),
        ] {
            let platform = [platform.parse().unwrap()];
            let some = real.client.configs_for(&index, &platform).await;
            assert_eq!(some.unwrap(), expected);
        }
    })
    .await;
}

/// Two images of one layer with the same files at other times, to be served by a script.
pub(crate) struct Pair {
    pub(crate) layers: [Vec<u8>; 2],
    configs: [String; 2],
    manifests: [String; 2],
}

impl Pair {
    pub(crate) fn new() -> Self {
        let archives = [archive(&files()), archive(&later(&files()))];
        let layers = archives.each_ref().map(|it| gzip(it));
        let configs = [(&archives[0], "a"), (&archives[1], "b")];
        let configs = configs.map(|(archive, created)| config(&[archive], created).to_string());
        let manifest = |place: usize| {
            let (config, layer) = (&configs[place], &layers[place]);
            json!({
                "schemaVersion": 2, "mediaType": MANIFEST,
                "config": { "mediaType": CONFIG, "digest": digest(config).as_str(), "size": 9 },
                "layers": [{
                    "mediaType": LAYER, "digest": digest(layer).as_str(), "size": layer.len(),
                }],
            })
            .to_string()
        };
        Self {
            manifests: [manifest(0), manifest(1)],
            layers,
            configs,
        }
    }

    /// All but the layers.
    pub(crate) fn replies(&self) -> Vec<Reply> {
        let mut replies = Vec::new();
        for manifest in &self.manifests {
            let content = reply(200).body(manifest.clone());
            replies.push(content.to(digest(manifest).to_string()));
        }
        for config in &self.configs {
            // Once for the platform, once for the rest.
            let content = reply(200).body(config.clone());
            let content = content.to(digest(config).to_string());
            replies.extend([content.clone(), content]);
        }
        replies
    }

    pub(crate) async fn compare(&self, server: &Server) -> Result<Likeness, OciError> {
        let [old, new] = self.manifests.each_ref().map(|it| server.image(it));
        anonymous().compare(&old, &new).await
    }
}

/// Storage is another host: it gets the request and no token. What it sends is checked.
#[tokio::test]
async fn layers_come_from_storage_and_are_checked() {
    let pair = Pair::new();
    let [old_layer, new_layer] = &pair.layers;
    let mut forged = new_layer.clone();
    // The time in the header of gzip is part of the digest and of nothing else.
    forged[4] ^= 1;
    let mut long = new_layer.clone();
    long.extend(gzip(b""));
    for (sent, expected) in [
        (new_layer.clone(), Ok(Likeness::OnlyTimestamps)),
        (forged, Err("answered with sha256:")),
        (long, Err("a layer is longer than")),
    ] {
        let storage = Server::start(|_| {
            vec![
                reply(200).body(old_layer.clone()).to("old"),
                reply(200).body(sent).to("new"),
            ]
        })
        .await;
        let mut replies = pair.replies();
        for (layer, path) in [(old_layer, "old"), (new_layer, "new")] {
            let place = format!("http://{}/{path}", storage.repository.host());
            let away = reply(307).header("location", place);
            replies.push(away.to(digest(layer).to_string()));
        }
        let server = Server::start(|host| {
            let challenge = format!(r#"Bearer realm="http://{host}/token""#);
            let asks = reply(401).header("www-authenticate", challenge);
            let token = reply(200).body(r#"{"token":"t1"}"#).to("/token");
            // Two manifests are asked for at once, and one token is fetched.
            [
                vec![asks.clone().to("manifests"), asks.to("manifests"), token],
                replies,
            ]
            .concat()
        })
        .await;
        let found = pair.compare(&server).await;
        match expected {
            Ok(likeness) => assert_eq!(found.unwrap(), likeness),
            Err(said) => {
                let error = found.unwrap_err().to_string();
                assert!(error.contains(said), "{error}");
            }
        }
        assert!(server.seen().iter().any(|it| it.authorization.is_some()));
        let at_storage = storage.seen();
        assert_eq!(at_storage.len(), 2);
        assert!(at_storage.iter().all(|it| it.authorization.is_none()));
    }
}

#[tokio::test]
async fn an_archive_that_cannot_be_read_makes_a_difference() {
    with_registry(async |real| {
        let old = single(real, &files(), "a").await;
        let mut sparse = later(&files());
        sparse[0].kind = EntryType::GNUSparse;
        let mut endless = later(&files());
        endless[0].pax = vec![("SCHILY.xattr.user.x", vec![b'x'; 2 << 20])];
        // Each is short enough, and no file comes.
        let headers = |count: usize, length: usize| {
            let mut builder = Builder::new(Vec::new());
            for number in 0..count {
                let (name, value) = (format!("user.{number}"), vec![b'x'; length]);
                let record = [(name.as_str(), value.as_slice())];
                builder.append_pax_extensions(record).unwrap();
            }
            [builder.into_inner().unwrap(), archive(&files())].concat()
        };
        for archive in [
            archive(&sparse),
            archive(&endless),
            headers(5, 300_000),
            headers(3_000, 0),
            archive(&files())[..700].to_vec(),
            b"no archive ".repeat(100),
        ] {
            let new = real
                .image(&config(&[&archive], "b"), &[gzip(&archive)])
                .await;
            match real.client.compare(&old, &new).await.unwrap() {
                Likeness::Different { what } => {
                    assert!(what.contains("an archive cannot be read"), "{what}");
                }
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}
