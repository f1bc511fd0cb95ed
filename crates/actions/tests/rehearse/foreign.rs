//! A repository of somebody else: the runbook's layout, two Dockerfiles, and nothing more.

use std::path::Path;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::run::{Rehearsal, snapshot};

/// Registry files as a team has them in production: pinned to images on a registry that is not
/// there, one with comments, one with sorted keys.
pub(crate) fn repository() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let pin = |digit: &str| format!("sha256:{}", digit.repeat(64));
    write(
        "code/apps/core/registry/processors/chat_reply.yaml",
        &format!(
            "ref: chat/reply@1\nimage:\n  oci: ghcr.io/someone/api/chat-reply@{}   # the bot writes here\n\
             build:\n  context: .\n  dockerfile: apps/core/processors/chat_reply/Dockerfile\n\
             runtime:\n  cpu: '1'\n  memory_gb: 2\n  timeout_s: 60\n\
             secrets:\n  required:\n  - CHAT_KEY\n",
            pin("1")
        ),
    );
    write(
        "code/apps/core/registry/processors/image_any.yaml",
        "ref: image/any@1\nruntime: {cpu: 1, memory: 2Gi, gpu: none}\nimage:\n  \
         oci: sha256:pending\nbuild:\n  context: .\n  \
         dockerfile: apps/core/processors/image_any/Dockerfile\nsecrets:\n  optional: []\n",
    );
    std::fs::copy("/bin/busybox", folder.path().join("code/busybox"))
        .expect("/bin/busybox is missing: run `apt-get install busybox-static`");
    for name in ["chat_reply", "image_any"] {
        write(
            &format!("code/apps/core/processors/{name}/Dockerfile"),
            &format!(
                "FROM scratch\nCOPY busybox /bin/busybox\nCOPY apps/core/processors/{name}/hello /hello\n\
                 ENTRYPOINT [\"/bin/busybox\", \"cat\", \"/hello\"]\n"
            ),
        );
        write(
            &format!("code/apps/core/processors/{name}/hello"),
            &format!("{name}\n"),
        );
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_configured_and_the_rest_runs() {
    let (_turn, engine) = Engine::mine().await;
    let repo = repository();
    let before = snapshot(repo.path());
    let ended = Rehearsal::of(repo.path())
        .run(&CancellationToken::new())
        .await;
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let report = ended.report();
    let status = |name: &str| {
        let stages = report["stages"].as_array().unwrap();
        let stage = stages.iter().find(|stage| stage["stage"] == name).unwrap();
        stage["status"].as_str().unwrap().to_owned()
    };
    for stage in ["accept", "deploy dev", "deploy staging", "deploy main"] {
        assert_eq!(status(stage), "not-configured", "{stage}");
    }
    for stage in [
        "plan",
        "build",
        "pin",
        "promote staging",
        "promote main",
        "again",
        "proof",
    ] {
        assert_eq!(status(stage), "done", "{stage}");
    }
    for add in [
        "code/compose.yml",
        "test-acceptance",
        "code/modal_app.py",
        "pipeline.yml",
    ] {
        assert!(ended.stdout.contains(add), "{add}: {}", ended.stdout);
    }
    for row in report["proof"].as_array().unwrap() {
        assert_eq!(row["verdict"], "pinned");
        assert!(
            row["git"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{row}"
        );
    }
    assert_eq!(report["proof"].as_array().unwrap().len(), 6);
    assert!(
        snapshot(repo.path()) == before,
        "the repository was touched"
    );
    engine.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_leaves_the_scratch_copy_with_exact_pins() {
    let (_turn, _engine) = Engine::mine().await;
    let repo = repository();
    let kept_in = tempfile::tempdir().unwrap();
    let ended = Rehearsal::of(repo.path())
        .arg("--keep")
        .env("TMPDIR", kept_in.path())
        .run(&CancellationToken::new())
        .await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let kept = Path::new(ended.report()["kept"].as_str().unwrap()).to_path_buf();
    assert!(kept.starts_with(kept_in.path()));
    assert!(kept.join("registry").is_dir() && kept.join("github").is_dir());
    let file = "code/apps/core/registry/processors/chat_reply.yaml";
    let old = std::fs::read_to_string(repo.path().join(file)).unwrap();
    let new = std::fs::read_to_string(kept.join("work").join(file)).unwrap();
    let changed: Vec<(&str, &str)> = old
        .lines()
        .zip(new.lines())
        .filter(|(old, new)| old != new)
        .collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(old.lines().count(), new.lines().count());
    assert!(
        changed[0].1.ends_with("   # the bot writes here"),
        "{}",
        changed[0].1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_layout_with_a_pin_for_each_platform() {
    let (_turn, engine) = Engine::mine().await;
    let repo = tempfile::tempdir().unwrap();
    let folder = repo.path().join("tools/chat/reply/1");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy("/bin/busybox", folder.join("busybox")).unwrap();
    std::fs::write(
        folder.join("Dockerfile"),
        "FROM scratch\nCOPY busybox /bin/busybox\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("registry.yaml"),
        "build:\n  context: .\n  dockerfile: Dockerfile\nenabled: true\nimage:\n  platforms:\n    \
         amd64: sha256:pending\n    arm64: sha256:REPLACE_ARM64\nref: chat/reply@1\n",
    )
    .unwrap();
    let kept_in = tempfile::tempdir().unwrap();
    let ended = Rehearsal::of(repo.path())
        .arg("--keep")
        .env("TMPDIR", kept_in.path())
        .run(&CancellationToken::new())
        .await;
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let kept = Path::new(ended.report()["kept"].as_str().unwrap()).to_path_buf();
    let file = kept.join("work/tools/chat/reply/1/registry.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("    amd64: 127.0.0.1:"), "{text}");
    assert!(text.contains("    arm64: sha256:REPLACE_ARM64\n"), "{text}");
    assert_eq!(ended.report()["proof"].as_array().unwrap().len(), 3);
    engine.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_enabled_is_nothing_to_rehearse() {
    let repo = repository();
    for name in ["chat_reply", "image_any"] {
        let file = repo
            .path()
            .join(format!("code/apps/core/registry/processors/{name}.yaml"));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}enabled: false\n")).unwrap();
    }
    let ended = Rehearsal::of(repo.path())
        .run(&CancellationToken::new())
        .await;
    ended.assert_failed(2, &["none of its processors is enabled", "hint: "]);
}
